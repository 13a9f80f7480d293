"""FTP and SFTP servers that list any name: nothing outside the folder of a download is written."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pileus.discover import discover
from pileus.documents import Credentials, File, Grouping, Provider, SecretRef
from pileus.download.fetch import download
from pileus.edges.providers import ProviderEdge, connect
from pileus.edges.secrets import Secrets
from pileus.group import group
from spec.servers import hostile

ENVIRON = {"USER": "me", "WORD": "pass"}


def names(root: Path) -> list[str]:
    return [
        "good.tgz", f"{root}/victim.tgz", "../evil.tgz", "../../victim.tgz", "..", ".", "a/../../victim.tgz",
        "nul\0.tgz", "\x1b[2J\x1b]0;owned\x07.tgz", f"{'x' * 300}.tgz", "C:\\victim.tgz", "C:victim.tgz",
        "..\\victim.tgz", "turn\u202egzt.tgz", ".good.tgz.part", ".good.tgz.part.json", "~root.tgz",
    ]  # fmt: skip


@contextmanager
def provider(kind: str, root: Path) -> Iterator[ProviderEdge]:
    if kind == "sftp":
        credentials = Credentials(type="basic", username=SecretRef(env="USER"), password=SecretRef(env="WORD"))
        with hostile.sftp([*names(root), "line\nbreak.tgz"]) as site:
            document = Provider(
                id="x", protocol="sftp", host=site.host, host_key=site.host_key, credentials=credentials
            )
            with closing(connect(document, secrets=Secrets(environ=ENVIRON))) as edge:
                yield edge
    else:
        with hostile.ftp(names(root), mlsd=kind == "mlsd") as site:
            document = Provider(id="x", protocol="ftp", host=site.host)
            with closing(connect(document, secrets=Secrets(environ={}))) as edge:
                yield edge


@pytest.mark.parametrize("kind", ["mlsd", "list", "sftp"])
def test_a_server_that_lists_any_name_writes_nothing_outside_the_folder(kind: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim.tgz"
    victim.write_bytes(b"mine")
    scratch = tmp_path / "deep" / "scratch"
    with provider(kind, tmp_path) as edge:
        grouped = group(discover(edge, "", [File(regex=r"(?s:.*)")]), Grouping())
        granules = [granule for whole in grouped.groups for granule in whole.granules]
        archives = download(granules, scratch, edge, parallel=2)
    assert sorted(path.name for path in scratch.iterdir()) == ["good.tgz", "~root.tgz"]
    assert {archive.path.read_bytes() for archive in archives} == {hostile.BODY}
    assert victim.read_bytes() == b"mine"
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "deep/scratch/good.tgz",
        "deep/scratch/~root.tgz",
        "victim.tgz",
    ]
    unsafe = [problem for problem in grouped.problems if problem.kind == "unsafe"]
    assert len(unsafe) >= 12
    assert all(problem.name.isprintable() and problem.detail.isprintable() for problem in unsafe)

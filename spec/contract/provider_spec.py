"""One contract for all providers: every edge, against the real server, lists, opens, continues and refuses alike."""

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from pileus.discover import discover
from pileus.documents import Credentials, File, Provider, SecretRef
from pileus.download.fetch import download, open_stream
from pileus.download.parts import Parts
from pileus.edges.providers import ProviderEdge, connect
from pileus.edges.secrets import Secrets
from pileus.errors import Changed, NotFound, UsageError
from pileus.models import Granule
from pileus.protocols import REGISTERED
from spec.servers import Site
from spec.servers.sessions import aws_client

BIG = random.Random(4).randbytes(3 * 1024 * 1024 + 7)
FILES = {
    "big.bin": BIG,
    "empty.bin": b"",
    "one.bin": b"1",
    "a name with spaces & plus+percent%41.bin": b"odd",
    "ümlaut.bin": b"u",
}
BACKENDS = ("apache", "nginx", "nginx-rounded", "lighttpd", "python_server", "url-list", "s3", "vsftpd", "sshd", "file")
ENVIRON = {"USER": "test", "SECRET": "test"}


@pytest.fixture
def site_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "v10/201501/deeper").mkdir(parents=True)
    (folder / "v10/nothing").mkdir()
    for name, body in FILES.items():
        (folder / "v10/201501" / name).write_bytes(body)
    (folder / "v10/201501/deeper/hidden.bin").write_bytes(b"not listed")
    return folder


@pytest.fixture(params=BACKENDS)
def edge(request: pytest.FixtureRequest, site_folder: Path) -> Iterator[ProviderEdge]:
    """A provider whose folder v10/201501 has FILES, with a budget of one connection: one left open is noticed."""
    provider, environ = _provider(request.param, request.getfixturevalue, site_folder)
    with closing(connect(provider, secrets=Secrets(environ=environ))) as edge:
        edge.backend = request.param  # type: ignore[attr-defined]
        yield edge


def _provider(backend: str, fixture: Callable[[str], Any], folder: Path) -> tuple[Provider, dict[str, str]]:
    common: dict[str, Any] = {"id": "site", "globalConnectionLimit": 1}
    if backend == "file":
        return Provider(protocol="file", host=str(folder), **common), {}
    if backend == "s3":
        return _bucket(fixture("aws"), folder, common)
    if backend == "sshd":
        site = fixture("sshd")(folder)
        credentials = Credentials(type="key", username=SecretRef(env="USER"), private_key=SecretRef(env="KEY"))
        host = {"protocol": "sftp", "host": f"{site.host}", "host_key": site.extra["host_key"]}
        environ = {"USER": site.extra["user"], "KEY": site.extra["private_key"]}
        # The path of the host is the folder that relative paths are joined to.
        host["host"] = f"sftp://{site.host}{folder}"
        return Provider(**host, credentials=credentials, **common), environ
    if backend == "vsftpd":
        return Provider(protocol="ftp", host=fixture("vsftpd")(folder).host, **common), {}
    if backend == "url-list":
        site = fixture("nginx")(folder)
        names = ["big.bin", "empty.bin", "one.bin", "a%20name%20with%20spaces%20&%20plus+percent%2541.bin"]
        lines = [*(f"/v10/201501/{name}" for name in names), f"{site.url}/v10/201501/%C3%BCmlaut.bin"]
        (folder / "urls.txt").write_text("# a comment\n\n" + "\n".join(lines))
        return Provider(protocol="http", host=site.host, **common), {}
    options = {"exact_size": False} if backend == "nginx-rounded" else {}
    site = fixture(backend.partition("-")[0])(folder, **options)
    return Provider(protocol="http", host=site.host, **common), {}


def _bucket(aws: Site, folder: Path, common: dict[str, Any]) -> tuple[Provider, dict[str, str]]:
    client: Any = aws_client(aws, "s3")
    client.create_bucket(Bucket="provider")
    for path in folder.rglob("*"):
        if path.is_file():
            client.put_object(Bucket="provider", Key=str(path.relative_to(folder)), Body=path.read_bytes())
    credentials = Credentials(type="aws", access_key=SecretRef(env="USER"), secret_key=SecretRef(env="SECRET"))
    provider = Provider(
        protocol="s3", host="provider", endpoint=aws.url, requester_pays=True, credentials=credentials, **common
    )
    return provider, ENVIRON


def folder_of(edge: ProviderEdge) -> str:
    return "urls.txt" if edge.backend == "url-list" else "v10/201501"  # type: ignore[attr-defined]


def granules(edge: ProviderEdge) -> dict[str, Granule]:
    found = discover(edge, folder_of(edge), [File(regex=r"(?P<all>.*\.bin)")])
    return {granule.file.name: granule for granule in found if isinstance(granule, Granule)}


def read_all(edge: ProviderEdge, url: str, offset: int = 0, validator: str | None = None) -> bytes:
    with closing(edge.open(url, offset, validator)) as response:
        body, block = b"", memoryview(bytearray(100_000))
        while (count := response.readinto(block)) != 0:
            body += block[: count or 0]
        return body


def test_lists_the_files_of_the_folder_and_no_folders(edge: ProviderEdge) -> None:
    assert sorted(file.name for file in edge.list(folder_of(edge))) == sorted(FILES)


def test_sizes_are_exact_whether_listed_or_asked_for(edge: ProviderEdge) -> None:
    assert {name: granule.file.size for name, granule in granules(edge).items()} == {
        name: len(body) for name, body in FILES.items()
    }


def test_an_absolute_path_replaces_that_of_the_host(edge: ProviderEdge, site_folder: Path) -> None:
    root = site_folder if edge.backend in ("sshd", "file") else ""  # type: ignore[attr-defined]
    assert sorted(file.name for file in edge.list(f"{root}/{folder_of(edge)}")) == sorted(FILES)


def test_every_name_opens_and_gives_its_bytes(edge: ProviderEdge) -> None:
    bodies = {name: read_all(edge, granule.file.url) for name, granule in granules(edge).items()}
    assert bodies == FILES


def test_a_body_continues_at_any_byte(edge: ProviderEdge) -> None:
    url = granules(edge)["big.bin"].file.url
    with closing(edge.open(url)) as response:
        validator = response.validator
        assert response.size == len(BIG)
    with closing(edge.open(url, 1_000_000, validator)) as response:
        offset = response.offset
    assert offset in (0, 1_000_000)
    assert read_all(edge, url, 1_000_000, validator) == BIG[offset:]


def test_a_file_that_changed_is_not_continued(edge: ProviderEdge, site_folder: Path, request: Any) -> None:
    url = granules(edge)["big.bin"].file.url
    with closing(edge.open(url)) as response:
        validator = response.validator
    if edge.backend == "s3":  # type: ignore[attr-defined]
        client = aws_client(request.getfixturevalue("aws"), "s3")
        client.put_object(Bucket="provider", Key="v10/201501/big.bin", Body=b"new" * 1_000_000)  # type: ignore[attr-defined]
    else:
        (site_folder / "v10/201501/big.bin").write_bytes(b"new" * 1_000_000)
    try:
        with closing(edge.open(url, 1_000_000, validator)) as response:
            outcome = response.offset, response.size
    except Changed:
        outcome = (0, 3_000_000)  # refused, as good as begun anew
    assert outcome == (0, 3_000_000)


def test_a_file_that_is_not_there_is_not_found(edge: ProviderEdge) -> None:
    url = granules(edge)["one.bin"].file.url
    with pytest.raises(NotFound) as caught:
        edge.open(url.replace("one.bin", "none.bin"))
    assert caught.value.where is not None
    assert "none.bin" in caught.value.where
    assert not caught.value.retryable


def test_a_folder_that_is_not_there_is_not_found(edge: ProviderEdge) -> None:
    with pytest.raises(NotFound):
        list(edge.list("v10/209901"))


def test_a_body_may_be_left_in_the_middle(edge: ProviderEdge) -> None:
    url = granules(edge)["big.bin"].file.url
    with closing(edge.open(url)) as response:
        response.readinto(memoryview(bytearray(10)))
    assert read_all(edge, url) == BIG


def test_discovered_files_download_and_stream(edge: ProviderEdge, tmp_path: Path) -> None:
    found = granules(edge)
    archives = download(list(found.values()), tmp_path / "out", edge, parallel=3)
    assert {archive.path.name: archive.path.read_bytes() for archive in archives} == FILES
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)
    with open_stream(found["big.bin"], edge) as stream:
        assert stream.read() == BIG


def test_parts_of_a_file_are_fetched_by_every_protocol_that_gives_them(edge: ProviderEdge, tmp_path: Path) -> None:
    """A server without ranges gives the whole file, and the parts are right all the same."""
    file = granules(edge)["big.bin"].file
    parts = Parts(edge, file, tmp_path / "big.bin")
    parts.bring([(5, 10), (2_000_000, 2_100_000), (len(BIG) - 3, len(BIG) + 9)])
    here = (tmp_path / "big.bin").read_bytes()
    assert len(here) == len(BIG)
    assert [here[a:b] for a, b in ((5, 10), (2_000_000, 2_100_000))] == [BIG[5:10], BIG[2_000_000:2_100_000]]
    assert here[-3:] == BIG[-3:]
    whole = edge.backend in ("python_server", "vsftpd", "sshd")  # type: ignore[attr-defined]
    assert (parts.moved > len(BIG) // 2) == whole
    with pytest.raises(NotFound):
        Parts(edge, replace(file, url=file.url.replace("big.bin", "none.bin")), tmp_path / "none").bring([(0, 9)])


def test_waiting_for_the_budget_can_be_ended(edge: ProviderEdge) -> None:
    if edge.backend == "file":  # type: ignore[attr-defined]
        return
    url = granules(edge)["big.bin"].file.url

    def pulse() -> None:
        raise UsageError("enough")

    with closing(edge.open(url)) as response:
        assert response.readinto(memoryview(bytearray(1))) == 1
        with pytest.raises(UsageError, match="enough"):
            edge.open(url, pulse=pulse)


def test_every_protocol_of_the_documents_has_an_edge() -> None:
    assert set(REGISTERED) == {"http", "https", "s3", "ftp", "sftp", "stac", "file"}
    for protocol in REGISTERED.values():
        module, _, name = protocol.edge.partition(":")
        made = getattr(import_module(module), name)
        assert isinstance(made, type)
        assert protocol.gives_parts == hasattr(made, "open_range")

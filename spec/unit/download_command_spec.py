"""pileus discover and pileus download, as a person or a script runs them, with no stack."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from spec.support.forked import run_forked

TILES = ["A", "B", "C"]


def run(*words: str | Path, cwd: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    env = {"PATH": os.environ["PATH"], "HOME": str(cwd), **environ}
    return run_forked([str(word) for word in words], cwd, env, seconds=60)


@pytest.fixture
def project(tmp_path: Path, nginx: Any) -> Path:
    """A project whose provider has two of three tiles in 2015-01, all in 2015-02, and none later."""
    for month, tiles in (("201501", "AB"), ("201502", "ABC")):
        folder = tmp_path / "site/v1" / month
        folder.mkdir(parents=True)
        for tile in tiles:
            (folder / f"t_{month}_{tile}.bin").write_bytes(tile.encode() * 1000)
        (folder / "README").write_text("a stranger")
    (tmp_path / "site/v1/201504").mkdir()
    (tmp_path / "site/v1/201504/notes.doc").write_text("nothing else")
    site = nginx(tmp_path / "site")
    root = tmp_path / "project"
    (root / "collections").mkdir(parents=True)
    (root / "data/providers").mkdir(parents=True)
    template = {
        "name": "tiles",
        "templated_name": "tiles_{{pointInTime}}",
        "files": [{"regex": r"t_(?P<month>\d{6})_(?P<tile>[A-Z])\.bin"}],
        "provider": "site",
        "provider_path": "v1/{{pointInTime}}",
        "options": {"spanUnit": "month", "spanStart": "201501", "spanEnd": "201512"},
        "meta": {"group": {"by": ["month"], "each": "tile", "expect": TILES}},
    }
    (root / "collections/tiles.json").write_text(json.dumps(template))
    provider = {"id": "site", "protocol": "http", "host": site.host}
    (root / "data/providers/site.json").write_text(json.dumps(provider))
    (root / "site.txt").write_text(site.url)
    return root


def test_discover_shows_what_is_complete_and_what_is_missing(project: Path) -> None:
    waiting = run("discover", "tiles", "--period", "2015-01", cwd=project)
    assert waiting.returncode == 0, waiting.stderr
    assert "waiting (1 missing)" in waiting.stdout
    assert "stranger: README" in waiting.stdout
    assert "complete" in run("discover", "tiles", "--period", "201502", cwd=project).stdout


def test_discover_tells_machines_the_same(project: Path) -> None:
    told = json.loads(run("discover", "tiles", "--period", "2015-01", "--json", cwd=project).stdout)
    (group,) = told["groups"]
    assert (group["key"], group["complete"], group["missing"]) == ("201501", False, ["C"])
    assert [granule["name"] for granule in group["granules"]] == ["t_201501_A.bin", "t_201501_B.bin"]
    assert [problem["kind"] for problem in told["problems"]] == ["stranger"]


def test_documents_may_be_named_by_their_files(project: Path, tmp_path: Path) -> None:
    words = ["--period", "2015-02", "--provider", str(project / "data/providers/site.json"), "--json"]
    told = run("discover", project / "collections/tiles.json", *words, cwd=tmp_path)
    assert json.loads(told.stdout)["groups"][0]["complete"]


def changed(project: Path, name: str, **values: object) -> None:
    path = project / name
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("file", "values", "said"),
    [
        ("data/providers/site.json", {"protocol": "gopher"}, "data/providers/site.json: protocol: "),
        ("data/providers/site.json", {"host": "ftp://x.org"}, "host: begins with ftp:// but protocol is http"),
        (
            "data/providers/site.json",
            {"credentials": {"type": "bearer", "token": {"env": "NO_SUCH_TOKEN"}}},
            "provider site: credentials.token: the environment variable NO_SUCH_TOKEN is not set",
        ),
        (
            "data/providers/site.json",
            {"credentials": {"type": "basic", "username": {"env": "USER"}}},
            "credentials: basic needs password",
        ),
        ("collections/tiles.json", {"provider_path": "v1/{{pointInTime}}/t_201501_A.bin.txt"}, "404"),
        ("collections/tiles.json", {"provider_path": "v1/201504"}, "files[].regex matches none of the 1 files listed"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(project: Path, file: str, values: dict[str, object], said: str) -> None:
    changed(project, file, **values)
    told = run("discover", "tiles", "--period", "2015-01", cwd=project)
    assert told.returncode == (1 if said == "404" else 2)
    assert told.stdout == ""
    assert len(told.stderr.splitlines()) == 1
    assert said in told.stderr


def test_a_page_that_is_no_index_is_one_line_and_exit_2(project: Path) -> None:
    folder = project.parent / "site/v1/201505"
    folder.mkdir()
    (folder / "index.html").write_text("<html><title>Sign in, please</title></html>")
    told = run("discover", "tiles", "--period", "2015-05", cwd=project)
    assert told.returncode == 2
    assert told.stderr.splitlines() == [
        f"pileus: {(project / 'site.txt').read_text()}/v1/201505/: this page is not a directory index"
    ]


def test_discover_wants_a_period_for_a_template(project: Path) -> None:
    told = run("discover", "tiles", cwd=project)
    assert (told.returncode, told.stdout) == (2, "")
    assert "expected --period" in told.stderr


def test_download_brings_files_plainly_where_there_is_no_terminal(project: Path, tmp_path: Path) -> None:
    site = (project / "site.txt").read_text()
    urls = [f"{site}/v1/201502/t_201502_{tile}.bin" for tile in TILES]
    told = run("download", *urls, "-o", tmp_path / "out", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert sorted(told.stdout.splitlines()[:3]) == [f"t_201502_{tile}.bin 1.0 kB" for tile in TILES]
    assert "\x1b" not in told.stdout + told.stderr
    assert (tmp_path / "out/t_201502_C.bin").read_bytes() == b"C" * 1000


def test_download_reads_urls_from_a_file_and_tells_machines(project: Path, tmp_path: Path) -> None:
    site = (project / "site.txt").read_text()
    (tmp_path / "urls.txt").write_text(f"# tiles\n{site}/v1/201502/t_201502_A.bin\n{site}/v1/201502/none.bin\n")
    told = run("download", "-i", "urls.txt", "-o", "out", "--json", cwd=tmp_path)
    assert told.returncode == 1
    value = json.loads(told.stdout)
    assert [file["size"] for file in value["files"]] == [1000]
    assert [failed["error"] for failed in value["failed"]] == ["NotFound"]
    assert len(told.stderr.splitlines()) == 1


def test_download_counts_what_came_and_says_what_did_not(project: Path, tmp_path: Path) -> None:
    site = (project / "site.txt").read_text()
    told = run("download", f"{site}/v1/201502/t_201502_A.bin", f"{site}/v1/201502/none.bin", cwd=tmp_path)
    assert told.returncode == 1
    assert "1 of 2 files, 1.0 kB in " in told.stdout
    assert told.stderr.strip() == f"pileus: {site}/v1/201502/none.bin: the provider answered 404 Not Found"


def test_download_keeps_what_is_here_unless_forced(project: Path, tmp_path: Path) -> None:
    url = f"{(project / 'site.txt').read_text()}/v1/201502/t_201502_A.bin"
    (tmp_path / "t_201502_A.bin").write_bytes(b"x" * 1000)
    run("download", url, cwd=tmp_path)
    assert (tmp_path / "t_201502_A.bin").read_bytes() == b"x" * 1000
    run("download", url, "--force", cwd=tmp_path)
    assert (tmp_path / "t_201502_A.bin").read_bytes() == b"A" * 1000


@pytest.mark.parametrize("words", [["gopher://x.org/a"], ["a.bin"], [], ["http://x.org/"], ["-i", "none.txt"]])
def test_download_of_what_is_no_url_is_exit_2(words: list[str], tmp_path: Path) -> None:
    told = run("download", *words, cwd=tmp_path)
    assert told.returncode == 2
    assert len(told.stderr.splitlines()) == 1

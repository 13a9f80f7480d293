"""Small files that one thread asks for over connections that are open: all that holds for a download holds for them."""

import hashlib
import os
import random
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pileus.documents import Credentials, Provider
from pileus.download.fetch import download, fetch_all
from pileus.download.small_files import MOST
from pileus.download.source import Cancellation
from pileus.edges.connections import LocalConnections
from pileus.edges.providers import connect
from pileus.edges.providers.http import HttpEdge
from pileus.edges.secrets import Secrets
from pileus.errors import Cancelled, Corrupt, NotFound, PileusError, RasterError, Refused
from pileus.models import Granule, Listed
from spec.servers.faulty import FAULTS, Faulty, faulty

BODIES = {f"/{number}.bin": random.Random(number).randbytes(20_000) for number in range(6)}


def edge_to(host: str, connections: LocalConnections | None = None, **facts: Any) -> HttpEdge:
    provider = Provider(id="site", protocol="http", host=host, **facts)
    edge = connect(provider, secrets=Secrets(environ={"SECRET": "word"}), connections=connections)
    assert isinstance(edge, HttpEdge)
    edge.limits = replace(edge.limits, backoff_seconds=0.01, pace_seconds=1, read_seconds=0.5)
    return edge


def asked_of(edge: HttpEdge) -> list[str]:
    """Return the list of URLs that the edge is asked for without waiting; it grows."""
    asked: list[str] = []
    ask = edge.ask

    def told(url: str) -> Any:
        found = ask(url)
        asked.extend([url] if found else [])
        return found

    edge.ask = told  # type: ignore[method-assign]
    return asked


def granules(site: Faulty, **facts: object) -> list[Granule]:
    return [Granule(Listed(path[1:], f"http://{site.host}{path}", **facts), {}) for path in site.files]  # type: ignore[arg-type]


def well(path: str) -> None:
    """No fault."""


def test_all_but_the_first_of_each_connection_are_asked_for_without_a_thread(tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []
    with faulty(BODIES, well) as site, closing(edge_to(site.host)) as edge:
        asked = asked_of(edge)
        archives = download(
            granules(site), tmp_path, edge, parallel=1, progress=lambda name, here: told.append((name, here))
        )
    assert asked == [f"http://{site.host}{path}" for path in list(BODIES)[1:]]
    assert len(site.asked) == len(BODIES)
    assert {f"/{path.name}": path.read_bytes() for path in tmp_path.iterdir()} == BODIES
    assert [(archive.path.name, archive.size) for archive in archives] == [(path[1:], 20_000) for path in BODIES]
    assert [name for name, here in told if here == 20_000] == [path[1:] for path in BODIES]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_one_that_passes_leaves_no_trace(fault: str, tmp_path: Path) -> None:
    faults = iter([fault])

    def plan(path: str) -> str | None:
        return next(faults, None) if path == "/3.bin" else None

    with faulty(BODIES, plan) as site, closing(edge_to(site.host)) as edge:
        asked = asked_of(edge)
        download(granules(site, size=20_000), tmp_path, edge, parallel=1)
    assert f"http://{site.host}/3.bin" in asked
    assert site.met == [fault]
    assert {f"/{path.name}": path.read_bytes() for path in tmp_path.iterdir()} == BODIES


def test_no_more_connections_are_open_than_files_may_come_at_once(tmp_path: Path) -> None:
    bodies = {f"/{number}.bin": bytes([number]) * 1000 for number in range(60)}
    with faulty(bodies, well) as site, closing(edge_to(site.host)) as edge:
        download(granules(site), tmp_path, edge, parallel=4)
        assert 1 <= site.most <= 4
    assert {f"/{path.name}": path.read_bytes() for path in tmp_path.iterdir()} == bodies
    assert sorted(path for _, path, _ in site.asked) == sorted(bodies)


def test_large_and_small_ones_may_be_mixed(tmp_path: Path) -> None:
    sizes = [10, MOST - 300, MOST, 3_000_000, 1, 0, 700_000, 20_000]
    bodies = {f"/{number}.bin": os.urandom(size) for number, size in enumerate(sizes * 3)}
    with faulty(bodies, well) as site, closing(edge_to(site.host)) as edge:
        download(granules(site), tmp_path, edge, parallel=3)
    assert {f"/{path.name}": path.read_bytes() for path in tmp_path.iterdir()} == bodies
    assert sorted(path for _, path, _ in site.asked) == sorted(bodies)


def test_a_small_file_with_a_wrong_checksum_is_corrupt_and_not_kept(tmp_path: Path) -> None:
    """The thread that says so has what came, and does not ask again."""
    with faulty(BODIES, well) as site, closing(edge_to(site.host)) as edge:
        edge.limits = replace(edge.limits, attempts=1)
        asked, wanted = asked_of(edge), granules(site)
        wanted[3] = replace(wanted[3], file=replace(wanted[3].file, checksum="md5:" + "0" * 32))
        with pytest.raises(Corrupt, match="md5 is") as caught:
            download(wanted, tmp_path, edge, parallel=1)
    assert caught.value.where == f"http://{site.host}/3.bin"
    assert caught.value.where in asked
    assert sum(path == "/3.bin" for _, path, _ in site.asked) == 1
    assert not list(tmp_path.glob("*3.bin*"))


def test_a_checksum_that_is_right_is_enough(tmp_path: Path) -> None:
    sums = {path: "sha256:" + hashlib.sha256(body).hexdigest() for path, body in BODIES.items()}
    with faulty(BODIES, well) as site, closing(edge_to(site.host)) as edge:
        wanted = [replace(one, file=replace(one.file, checksum=sums[f"/{one.file.name}"])) for one in granules(site)]
        download(wanted, tmp_path, edge, parallel=1)
    assert len(site.asked) == len(BODIES)


def test_first_bytes_may_refuse_a_small_file(tmp_path: Path) -> None:
    def inspect(name: str, first: bytes) -> None:
        if first == BODIES["/3.bin"][:512]:
            raise RasterError("no raster", where=name)

    refused = pytest.raises(RasterError, match=r"3\.bin: no raster")
    with faulty(BODIES, well) as site, closing(edge_to(site.host)) as edge, refused:
        download(granules(site), tmp_path, edge, parallel=1, inspect=inspect)
    assert not (tmp_path / "3.bin").exists()


def test_what_a_caller_raises_for_a_small_file_is_raised_to_it(tmp_path: Path) -> None:
    def progress(name: str, here: int) -> None:
        if name == "3.bin":
            raise ArithmeticError

    with faulty(BODIES, well) as site, closing(edge_to(site.host)) as edge, pytest.raises(ArithmeticError):
        download(granules(site), tmp_path, edge, parallel=1, progress=progress)


def test_one_that_is_not_there_fails_with_its_address(tmp_path: Path) -> None:
    with faulty(BODIES, well) as site, closing(edge_to(site.host)) as edge:
        asked, wanted = asked_of(edge), granules(site)
        del site.files["/4.bin"]
        with pytest.raises(NotFound) as caught:
            download(wanted, tmp_path, edge, parallel=1)
    assert caught.value.where == f"http://{site.host}/4.bin" == asked[3]
    assert sum(path == "/4.bin" for _, path, _ in site.asked) == 1


@pytest.mark.parametrize("fault", ["stall", "trickle", "503"])
def test_a_cancelled_download_of_small_files_stops_soon(fault: str, tmp_path: Path) -> None:
    stop, begun = threading.Event(), threading.Event()

    def plan(path: str) -> str | None:
        if path != "/3.bin":
            return None
        begun.set()
        return fault

    with faulty(BODIES, plan) as site:
        edge = edge_to(site.host)
        edge.limits = replace(edge.limits, attempts=10_000, read_seconds=60, pace_seconds=60)
        canceller = threading.Thread(target=lambda: begun.wait(10) and stop.set())
        canceller.start()
        started = time.monotonic()
        with closing(edge), pytest.raises(Cancelled, match="paused"):
            download(granules(site), tmp_path, edge, parallel=2, cancelled=stop, reason=lambda: Cancelled("paused"))
        canceller.join()
        assert time.monotonic() - started < 20  # a stall would have lasted 60


def test_two_that_share_one_connection_take_turns(tmp_path: Path) -> None:
    """A connection that somebody waits for is given up between two small files."""
    budget, failed = LocalConnections(), list[BaseException]()
    bodies = {f"/{number}.bin": bytes([number]) * 1000 for number in range(30)}

    with faulty(bodies, well) as site:

        def fetch(folder: Path) -> None:
            try:
                with closing(edge_to(site.host, budget, globalConnectionLimit=1)) as edge:
                    download(granules(site), folder, edge, parallel=3)
            except BaseException as error:  # noqa: BLE001 - told below
                failed.append(error)

        threads = [threading.Thread(target=fetch, args=(tmp_path / name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (failed, site.most) == ([], 1)
    assert all(len(list((tmp_path / name).iterdir())) == 30 for name in "ab")


def test_a_redirect_of_a_small_file_to_a_host_that_is_not_listed_is_refused(tmp_path: Path, nginx: Any) -> None:
    (tmp_path / "site").mkdir()
    for path, body in BODIES.items():
        (tmp_path / "site" / path[1:]).write_bytes(body)
        os.utime(tmp_path / "site" / path[1:], (1_000_000_000, 1_000_000_000))
    moved = "if ($uri = /3.bin) { return 302 http://localhost:$server_port/0.bin; }"
    site = nginx(tmp_path / "site", location=moved)
    secret = Credentials.model_validate({"type": "bearer", "token": {"env": "SECRET"}})
    wanted = [Granule(Listed(path[1:], f"{site.url}{path}"), {}) for path in BODIES]  # type: ignore[arg-type]
    refused = pytest.raises(Refused, match="allowedRedirects")
    with closing(edge_to(site.host, credentials=secret)) as edge, refused:
        download(wanted, tmp_path / "out", edge, parallel=1)
    with closing(edge_to(site.host)) as edge:  # without credentials the redirect is followed
        asked = asked_of(edge)
        download(wanted, tmp_path / "all", edge, parallel=1)
    assert f"{site.url}/3.bin" in asked
    assert (tmp_path / "all" / "3.bin").read_bytes() == BODIES["/0.bin"]
    assert {path.stat().st_mtime for path in (tmp_path / "all").iterdir()} == {1_000_000_000}


def test_a_file_that_was_begun_before_goes_on_and_one_that_is_here_stays(tmp_path: Path) -> None:
    (tmp_path / "3.bin").write_bytes(BODIES["/3.bin"])
    (tmp_path / ".4.bin.part").write_bytes(b"of a process that ended")
    with faulty(BODIES, well) as site, closing(edge_to(site.host)) as edge:
        download(granules(site, size=20_000), tmp_path, edge, parallel=1)
    assert not any(path == "/3.bin" for _, path, _ in site.asked)
    assert {f"/{path.name}": path.read_bytes() for path in tmp_path.iterdir()} == BODIES


def test_many_threads_and_one_end_with_each_failure_told_once(tmp_path: Path) -> None:
    bodies = {f"/{number}.bin": bytes([number]) * 1000 for number in range(40)}

    def plan(path: str) -> str | None:
        return "503" if path in ("/7.bin", "/23.bin") else None

    with faulty(bodies, plan) as site, closing(edge_to(site.host)) as edge:
        edge.limits = replace(edge.limits, attempts=2)
        wanted = granules(site)
        ended = dict(fetch_all(wanted, tmp_path, edge, Cancellation(), parallel=4))
    failed = [index for index, result in ended.items() if isinstance(result, PileusError)]
    assert (sorted(ended), sorted(failed)) == (list(range(40)), [7, 23])
    assert len(list(tmp_path.iterdir())) == 38

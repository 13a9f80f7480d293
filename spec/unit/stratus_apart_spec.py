"""Requests done apart: what a function cannot do there, how it ends, and that the result is the same."""

import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import xarray

from pileus.cell.servant import lacking
from pileus.errors import DocumentError, HandedBack, OperationFailed, UsageError
from pileus.stratus.apart import Apart, Bounds
from spec.support.stratus import grid, read, request, saved

MODULE = """
import os, signal, socket, sys, time
from pathlib import Path
from pileus.endpoint import endpoint

@endpoint("own*")
def twice(data):
    return data * 2

@endpoint("own*")
def wait(data, *, seconds: float = 1000.0):
    time.sleep(seconds)
    return data

@endpoint("own*")
def end(data):
    os._exit(3)

@endpoint("own*")
def crash(data):
    import ctypes
    ctypes.string_at(0)

@endpoint("own*")
def eat(data):
    held = bytearray(3 << 30)
    return data

@endpoint("own*")
def peek(data, *, path: str):
    return data.assign_attrs(seen=Path(path).read_text()[:10])

@endpoint("own*")
def leave(data, *, path: str):
    Path(path).write_text("x")
    return data

@endpoint("own*")
def call(data):
    socket.create_connection(("127.0.0.1", 9))
    return data

@endpoint("own*")
def start(data):
    os.execv("/bin/true", ["true"])

@endpoint("own*")
def secret(data):
    return data.assign_attrs(seen=str(os.environ.get("AWS_SECRET_ACCESS_KEY")))

@endpoint("own*")
def remembers(data):
    sys.remembered = getattr(sys, "remembered", 0) + 1
    return data.assign_attrs(times=sys.remembered)

@endpoint("own*")
def link(data):
    os.symlink("/etc/hostname", "r1.nc")
    return data

@endpoint("own*")
def raises(data):
    raise ValueError("no such month")
"""


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a module of own functions."""
    folder = tmp_path_factory.mktemp("code")
    (folder / "own_functions_of_spec.py").write_text(MODULE)
    return folder


def started(code: Path, seconds: float) -> Apart:
    """One process that has the functions, of a worker with credentials."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(code)
        patch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
        return Apart(["own_functions_of_spec"], Bounds(1 << 30, seconds), 1)


@pytest.fixture(scope="module")
def apart(code: Path) -> Iterator[Apart]:
    """The process of most specs here."""
    made = started(code, 60)
    yield made
    made.close()


def done(apart: Apart, folder: Path, *operations: dict[str, Any], **how: Any) -> Any:
    """The last result of operations over `grid`."""
    folder.mkdir(exist_ok=True)
    files = {"v0": saved(grid(), folder / "v0.nc")}
    made = apart.operate(request(*operations), files, folder / "out", **how)
    return read(list(made.values())[-1])


def failed(apart: Apart, folder: Path, op: str, **parameters: Any) -> OperationFailed:
    """What is raised for one operation. Afterwards the next one is done, and nothing is left."""
    with pytest.raises(OperationFailed) as caught:
        done(apart, folder, {"name": f"own:{op}", "input": "v0", **parameters})
    assert list((folder / "out").iterdir()) == []
    xarray.testing.assert_equal(done(apart, folder / "next", {"name": "own:twice", "input": "v0"}), grid() * 2)
    return caught.value


def test_results_are_those_of_this_process_and_told_as_they_come(apart: Apart, tmp_path: Path) -> None:
    told: list[str] = []
    steps = [{"name": "own:twice", "input": "v0"}, {"name": "own:twice", "input": "r1"}]
    xarray.testing.assert_identical(done(apart, tmp_path, *steps, tell=told.append), grid() * 4)
    assert told == ["r1", "r2"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["r2.nc"]


def test_a_result_is_told_before_the_next_one_is_made(apart: Apart, tmp_path: Path) -> None:
    stopping = threading.Event()
    steps = [{"name": "own:twice", "input": "v0"}, {"name": "own:wait", "input": "r1"}]
    with pytest.raises(HandedBack):
        done(apart, tmp_path, *steps, tell=lambda _: stopping.set(), stopping=stopping)
    assert list((tmp_path / "out").iterdir()) == []


def test_when_its_listener_fails_the_next_request_has_its_own_answer(apart: Apart, tmp_path: Path) -> None:
    def fails(result: str) -> None:
        raise RuntimeError(result)

    steps = [{"name": "own:twice", "input": "v0"}, {"name": "own:wait", "input": "r1", "seconds": 1.0}]
    with pytest.raises(RuntimeError, match="r1"):
        done(apart, tmp_path, *steps, tell=fails)
    xarray.testing.assert_equal(done(apart, tmp_path / "next", {"name": "own:twice", "input": "v0"}), grid() * 2)


def test_damaged_files_are_wrong_documents_or_failures_and_never_more(apart: Apart, tmp_path: Path) -> None:
    whole = saved(grid(), tmp_path / "v0.nc").read_bytes()
    random = Random(5)
    for number in range(40):
        content = bytearray(whole)
        for _ in range(20):
            content[random.randrange(len(content))] = random.randrange(256)
        (tmp_path / "bad.nc").write_bytes(content[: random.choice([len(content), random.randrange(len(content))])])
        folder = tmp_path / str(number)
        try:
            apart.operate(request({"name": "own:twice", "input": "v0"}), {"v0": tmp_path / "bad.nc"}, folder)
        except (DocumentError, OperationFailed):
            assert list(folder.iterdir()) == []


def test_a_wrong_request_is_a_wrong_document_here_too(apart: Apart, tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"operation\[0\]\.path: missing: own\*:peek needs it"):
        done(apart, tmp_path, {"name": "own:peek", "input": "v0"})


def test_what_a_function_raises_comes_through(apart: Apart, tmp_path: Path) -> None:
    error = failed(apart, tmp_path, "raises")
    assert (error.kind, str(error)) == ("ValueError", "operation r1 (own:raises): ValueError: no such month")


def test_a_function_that_ends_its_process_fails(apart: Apart, tmp_path: Path) -> None:
    assert failed(apart, tmp_path, "end").kind == "TaskDied"
    error = failed(apart, tmp_path, "crash")
    assert (error.kind, error.message) == ("TaskDied", "its process was ended by SIGSEGV")


def test_a_function_that_hangs_is_ended(tmp_path: Path, code: Path) -> None:
    short = started(code, 2)
    with pytest.raises(OperationFailed) as caught:
        done(short, tmp_path, {"name": "own:wait", "input": "v0"})
    short.close()
    assert (caught.value.kind, caught.value.message) == ("TaskTimedOut", "took longer than 2 s")


def test_a_function_that_needs_too_much_memory_fails(apart: Apart, tmp_path: Path) -> None:
    assert failed(apart, tmp_path, "eat").kind == "MemoryError"


@pytest.mark.skipif(bool(lacking()), reason="this machine cannot confine a process")
def test_a_function_reads_no_other_files_writes_none_and_reaches_no_network(apart: Apart, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    assert failed(apart, tmp_path, "peek", path=str(tmp_path / "secret")).kind == "PermissionError"
    assert failed(apart, tmp_path, "leave", path=str(tmp_path / "left")).kind == "PermissionError"
    assert failed(apart, tmp_path, "call").kind == "PermissionError"
    assert failed(apart, tmp_path, "start").kind == "PermissionError"
    assert not (tmp_path / "left").exists()


def test_a_function_finds_no_credentials(apart: Apart, tmp_path: Path) -> None:
    assert done(apart, tmp_path, {"name": "own:secret", "input": "v0"}).attrs["seen"] == "None"


def test_what_one_request_leaves_behind_the_next_does_not_find(apart: Apart, tmp_path: Path) -> None:
    for number in range(2):
        found = done(apart, tmp_path / str(number), {"name": "own:remembers", "input": "v0"})
        assert found.attrs["times"] == 1


def test_a_link_in_place_of_a_result_is_replaced_by_it(apart: Apart, tmp_path: Path) -> None:
    xarray.testing.assert_equal(done(apart, tmp_path, {"name": "own:link", "input": "v0"}), grid())
    assert not (tmp_path / "out" / "r1.nc").is_symlink()


def test_more_threads_than_processes_wait_for_their_turn(apart: Apart, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def one(number: int) -> Any:
        return done(apart, tmp_path / str(number), {"name": "own:twice", "input": "v0"})

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(one, range(4)):
            xarray.testing.assert_equal(found, grid() * 2)


def test_a_module_that_cannot_be_imported_says_why(tmp_path: Path) -> None:
    none = Apart(["no_such_module_of_spec"], Bounds(), 1)
    with pytest.raises(UsageError, match="cannot be imported: ModuleNotFoundError"):
        done(none, tmp_path, {"name": "own:twice", "input": "v0"})
    none.close()

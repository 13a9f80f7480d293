"""A node over a folder: what was accepted is done, whatever kills the process; what was made stays until deleted."""

import hashlib
import io
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pileus.errors import Conflict, DocumentError, NotFound, UsageError
from pileus.models import State
from pileus.nodes.folder import FolderService
from pileus.nodes.kept import KeptRequests, Standing
from pileus.nodes.route import Patience, Route
from pileus.stratus.request import StratusRequest
from pileus.stratus.service import NETCDF, Progress
from spec.support.nodes import HandNode, WaitingNode, read, values

pytestmark = pytest.mark.timeout(60)


@contextmanager
def serving(folder: Path, *nodes: HandNode, **how: Any) -> Iterator[FolderService]:
    """A service over some nodes; by default one that does `a` and `b`."""
    route = Route(nodes or [HandNode("one", ["a", "b"])], patience=Patience(2, 2, 0.01))
    service = FolderService(folder / "node", route, **how)
    try:
        yield service
    finally:
        service.close()


def ended(service: FolderService, rid: str) -> Progress:
    """Where a request stands when it has ended."""
    until = time.monotonic() + 30
    while not (found := service.find(rid)).state.ended:
        assert time.monotonic() < until
        threading.Event().wait(0.01)
    return found


def chain(uri: str, rid: str = "r7", **more: Any) -> StratusRequest:
    """Twice, and twice again."""
    return StratusRequest.from_json(
        {
            "rid": rid,
            "input": [{"name": "v0", "uri": uri}],
            "operation": [
                {"name": "a:twice", "input": "v0", "result": "r1"},
                {"name": "b:twice", "input": "r1", "result": "r2"},
            ],
            **more,
        }
    )


def result(service: FolderService, rid: str, folder: Path, name: str = "") -> list[float]:
    path = folder / "got.nc"
    path.write_bytes(b"".join(service.result(rid, name, NETCDF)))
    return read(path)


def test_a_request_is_done_and_its_result_can_be_read_twice(tmp_path: Path) -> None:
    values(tmp_path / "v0.nc", 1, 2)
    with serving(tmp_path) as service:
        address = service.upload((tmp_path / "v0.nc").open("rb"))
        assert address == f"value:{hashlib.sha256((tmp_path / 'v0.nc').read_bytes()).hexdigest()}"
        begun = service.start(chain(address, cid="me"))
        assert (begun.rid, begun.cid, begun.outputs, begun.operations) == ("r7", "me", ("r2",), 2)
        found = ended(service, "r7")
        assert (found.state, found.done, found.why) == (State.succeeded, 2, "")
        assert result(service, "r7", tmp_path) == result(service, "r7", tmp_path, "r2") == [4, 8]
    with serving(tmp_path) as service:
        assert service.find("r7") == found
        assert result(service, "r7", tmp_path) == [4, 8]
        assert sorted(path.name for path in (tmp_path / "node/requests/r7/work").rglob("*.nc")) == ["r2.nc"]


def test_an_equal_request_finds_the_first_and_another_is_refused(tmp_path: Path) -> None:
    values(tmp_path / "v0.nc", 1, 2)
    node = HandNode("one", ["a", "b"])
    uri = f"file://{tmp_path}/v0.nc"
    with serving(tmp_path, node, files=[tmp_path]) as service:
        service.start(chain(uri))
        ended(service, "r7")
        assert service.start(chain(uri)).state is State.succeeded
        assert node.asked == ["r7-0"]
        with pytest.raises(Conflict, match="another request has this id"):
            service.start(chain(uri, cid="other"))
        assert service.start(chain(uri, rid="")).rid not in ("", "r7")


def test_a_list_has_the_newest_first_and_a_deleted_one_is_gone(tmp_path: Path) -> None:
    values(tmp_path / "v0.nc", 1, 2)
    with serving(tmp_path, files=[tmp_path]) as service:
        for rid in ("r1", "r2", "r3"):
            service.start(chain(f"file://{tmp_path}/v0.nc", rid, cid="odd" if rid != "r2" else ""))
            ended(service, rid)
        assert [one.rid for one in service.list()] == ["r3", "r2", "r1"]
        assert [one.rid for one in service.list("odd")] == ["r3", "r1"]
        assert [one.rid for one in service.list(limit=1)] == ["r3"]
        service.delete("r2")
        with pytest.raises(NotFound):
            service.find("r2")
    with serving(tmp_path, files=[tmp_path]) as service:
        assert [one.rid for one in service.list()] == ["r3", "r1"]
        service.start(chain(f"file://{tmp_path}/v0.nc", "r4"))
        assert [one.rid for one in service.list()] == ["r4", "r3", "r1"]


def test_a_request_that_is_stopped_ends_and_has_no_result(tmp_path: Path) -> None:
    node = WaitingNode("one", ["a", "b"])
    values(tmp_path / "v0.nc", 1)
    with serving(tmp_path, node, files=[tmp_path], at_once=1) as service:
        service.start(chain(f"file://{tmp_path}/v0.nc"))
        service.start(chain(f"file://{tmp_path}/v0.nc", "waits"))
        assert node.begun.wait(10)
        with pytest.raises(Conflict, match="it is running"):
            service.result("r7", "", NETCDF)
        with pytest.raises(Conflict, match="stop it first"):
            service.delete("r7")
        assert service.stop("waits").state is service.stop("r7").state is State.cancelled
        with pytest.raises(Conflict, match="it is cancelled"):
            service.stop("r7")
        with pytest.raises(Conflict, match="it is cancelled"):
            service.result("r7", "", NETCDF)


def test_a_request_that_is_deleted_as_soon_as_it_has_ended_ends_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values(tmp_path / "v0.nc", 1)
    tidy, deleted = KeptRequests.tidy, list[str]()
    with serving(tmp_path, files=[tmp_path], at_once=1) as service:

        def late(kept: KeptRequests, rid: str, standing: Standing) -> None:
            service.delete(rid)
            deleted.append(rid)
            tidy(kept, rid, standing)

        monkeypatch.setattr(KeptRequests, "tidy", late)
        for rid in ("r1", "r2"):
            service.start(chain(f"file://{tmp_path}/v0.nc", rid))
            while rid not in deleted:
                threading.Event().wait(0.01)
        assert service.list() == ()


def test_a_failure_is_kept_as_the_error_that_it_was(tmp_path: Path) -> None:
    values(tmp_path / "v0.nc", 1)
    failing = HandNode("one", ["a", "b"], error=DocumentError("no such axis", where="r1"))
    with serving(tmp_path, failing, files=[tmp_path]) as service:
        service.start(chain(f"file://{tmp_path}/v0.nc"))
        assert ended(service, "r7").why == "r1: node one, a:twice, b:twice: no such axis"
    with serving(tmp_path) as service, pytest.raises(DocumentError, match="no such axis"):
        service.result("r7", "", NETCDF)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("value:" + "0" * 64, "no file of this name was uploaded"),
        ("value:0", "expected value: and 64 hexadecimal digits"),
        ("given:r1", "expected an address that begins with"),
        ("ftp://x.org/a.nc", "expected an address that begins with"),
        ("https://me:pw@x.org/a.nc", "without a user's name or password"),
        ("file:///etc/passwd", "no such file below the folders"),
        ("file:///{below}/../secret.nc", "no such file below the folders"),
        ("file:///{below}/link.nc", "no such file below the folders"),
        ("file://other/{below}/v0.nc", "expected an address that begins with"),
        ("file:///%00", "no such file below the folders"),
    ],
)
def test_an_address_that_is_not_read_is_refused_before_anything_begins(tmp_path: Path, uri: str, said: str) -> None:
    below = tmp_path / "below"
    below.mkdir()
    values(tmp_path / "secret.nc", 1)
    (below / "link.nc").symlink_to(tmp_path / "secret.nc")
    with serving(tmp_path, files=[below]) as service:
        with pytest.raises(DocumentError, match=said):
            service.start(chain(uri.format(below=str(below).lstrip("/"))))
        assert service.list() == ()
    with serving(tmp_path) as service, pytest.raises(DocumentError, match="names no folder"):
        service.start(chain(f"file://{below}/link.nc"))


def test_a_form_or_a_name_that_there_is_not_is_said(tmp_path: Path) -> None:
    values(tmp_path / "v0.nc", 1)
    with serving(tmp_path, files=[tmp_path]) as service:
        service.start(chain(f"file://{tmp_path}/v0.nc", outputs=["r1", "r2"]))
        ended(service, "r7")
        assert result(service, "r7", tmp_path, "r1") == [2]
        with pytest.raises(UsageError, match="has several results: expected the name of one of r1, r2"):
            service.result("r7", "", NETCDF)
        with pytest.raises(NotFound, match="unknown result 'r3': did you mean"):
            service.result("r7", "r3", NETCDF)
        with pytest.raises(UsageError):
            service.result("r7", "r1", "text/html")


@pytest.mark.parametrize("content", [b"", b"no NetCDF"])
def test_only_netcdf_is_kept(tmp_path: Path, content: bytes) -> None:
    with serving(tmp_path) as service, pytest.raises(UsageError, match="expected a NetCDF4 file"):
        service.upload(io.BytesIO(content))
    assert [*(tmp_path / "node/values").iterdir()] == []


def test_a_file_that_no_request_names_is_deleted_after_a_day(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        named, other, new = (
            service.upload(values(tmp_path / f"{n}.nc", n).open("rb")).removeprefix("value:") for n in (1, 2, 3)
        )
        service.start(chain(f"value:{named}"))
        ended(service, "r7")
    kept = tmp_path / "node/values"
    for sha256 in (named, other):
        os.utime(kept / f"{sha256}.nc", (0, 0))
    with serving(tmp_path):
        assert {path.stem for path in kept.iterdir()} == {named, new}


def test_one_process_serves_a_folder(tmp_path: Path) -> None:
    with serving(tmp_path), pytest.raises(UsageError, match="another process serves this folder"), serving(tmp_path):
        pass


def test_a_node_that_is_closed_goes_on_when_it_begins_again(tmp_path: Path) -> None:
    values(tmp_path / "v0.nc", 1, 2)
    waiting = WaitingNode("one", ["a", "b"])
    with serving(tmp_path, waiting, files=[tmp_path]) as service:
        service.start(chain(f"file://{tmp_path}/v0.nc"))
        assert waiting.begun.wait(10)
    with serving(tmp_path, files=[tmp_path]) as service:
        assert ended(service, "r7").state is State.succeeded

"""The cell: what a process that opens strangers' files can do, seen from inside, and what the worker takes from it."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from pileus.cell import room
from pileus.cell.cell import Cell
from pileus.cell.channel import SAID, Channel, sealed
from pileus.cell.confine import DENIED, Limits
from pileus.cell.inside import Here, Inside
from pileus.cell.results import BadAnswer, facts_of, grid_from, measured_from_numbers, measured_to_numbers
from pileus.cell.room import MAGIC, Room
from pileus.cell.servant import Child, lacking
from pileus.cell.settings import limits_of
from pileus.cell.zone_file import zones_of, zones_to_bytes
from pileus.documents import Band, Process, Valid
from pileus.errors import ArchiveError, HandedBack, PileusError, RasterError, UsageError, ZonesError
from pileus.models import Archive, Granule, Listed, Partition
from pileus.names import FileName
from pileus.outputs.draw import Drawn, DrawTask
from pileus.raster.grid import Grid
from pileus.stopping import go_on, unless
from pileus.worker_tasks import Work
from pileus.zonal import MemoryCache, Source, Zones, make_zones, measure
from spec.support.cell import sitecustomize
from spec.support.cell.sitecustomize import PROBE
from spec.support.zonal_reference import tgz, write

LIMITS = Limits(memory=1 << 30, seconds=2, file_size=1 << 20, files=64)
WHERE = Partition("tiny", "001", "2015-01", "201501")
complete = pytest.mark.skipif(bool(lacking()), reason=f"this machine allows no complete cell: {lacking()}")


class Prison:
    """A cell with one more task, `probe`."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        secrets = {
            "AWS_SECRET_ACCESS_KEY": "geheim",
            "PILEUS_PROVIDER_PASSWORD": "geheim",
            "GDAL_HTTP_USERPWD": "geheim",
        }
        self.cell = Cell(dict(os.environ) | secrets, scratch, LIMITS)

    def run(self, code: str, check: Callable[[], None] = go_on, files: tuple[str, ...] = ("x.tgz",)) -> Any:
        """Run code inside, and return what it left in `answer`."""
        told: list[bytes] = []
        archives = tuple(
            Archive(Granule(Listed(FileName(name), f"file:///{name}"), {}), self.scratch / name, 1) for name in files
        )
        work = Work(WHERE, archives, {"code": code}, self.scratch, lambda _name, body, _kind: told.append(body), check)
        Room(self.cell, "probe").run(PROBE, work)
        return told[0].decode()


@pytest.fixture(scope="module")
def prison(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prison]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(sitecustomize.__file__).parent))
        made = Prison(tmp_path_factory.mktemp("scratch").resolve())
    yield made
    made.cell.close()


def number_of(prison: Prison) -> int:
    """The process of the child that would do the next job."""
    prison.run("")
    child = prison.cell._child
    assert child is not None
    return child.number


def gone(number: int) -> bool:
    """Whether a process ends within some seconds, and is no zombie."""
    for _ in range(100):
        if not Path(f"/proc/{number}").exists():
            return True
        time.sleep(0.05)
    return False


def test_no_secret_is_in_its_environment(prison: Prison) -> None:
    environ = Path(f"/proc/{number_of(prison)}/environ").read_bytes()
    assert b"PATH=" in environ
    assert b"geheim" not in environ
    assert "geheim" not in prison.run("import os; answer = dict(os.environ)")


@complete
def test_it_reaches_no_server_on_this_machine(prison: Prison) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        tried = f"""
import socket
import subprocess
import sys
try:
    socket.create_connection(("127.0.0.1", {port}), timeout=5)
except OSError as error:
    answer = type(error).__name__
"""
        assert prison.run(tried) == "'PermissionError'"
        with pytest.raises(TimeoutError):
            server.accept()
    ours = Path("/proc/self/ns/net").readlink()
    assert Path(f"/proc/{number_of(prison)}/ns/net").readlink() != ours


@complete
@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd')",
        f"open('/proc/{os.getpid()}/environ')",
        "open('/tmp/outside', 'w')",
        "import os; os.listdir('/root')",
        "import os; os.kill(os.getppid(), 0)",
        f"import os; os.kill({os.getpid()}, 0)",
        "import os; os.execv('/bin/true', ['true'])",
        f"import os; os.pidfd_open({os.getpid()})",
        "import ctypes; ctypes.CDLL(None, use_errno=True).unshare(1 << 28); raise OSError(ctypes.get_errno(), '')",
    ],
    ids=["read", "its environment", "write", "list", "end its parent", "end the worker", "run", "hold", "namespace"],
)
def test_it_reaches_no_file_and_no_process_but_its_own(prison: Prison, code: str) -> None:
    with pytest.raises(PileusError, match="unexpected PermissionError"):
        prison.run(code)


def test_it_may_write_to_its_folder(prison: Prison) -> None:
    prison.run(f"open({str(prison.scratch / 'here')!r}, 'w').write('a')")
    assert (prison.scratch / "here").read_text() == "a"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import numpy; numpy.ones(2 << 30, 'u1')", "x.tgz: needs more memory than its limit of 1 GiB"),
        ("a = bytearray(2 << 30)", "x.tgz: needs more memory than its limit of 1 GiB"),
        ("while True: pass", "the process that read it took more processor time than its limit of 2 s"),
        (
            "with open(work.scratch / 'big', 'wb') as file: file.write(bytes(2 << 20))",
            "x.tgz: needs a scratch file larger than its limit of 0.000977 GiB",
        ),
        ("a = [open('/dev/null') for _ in range(100)]", "x.tgz: needs more open files than its limit of 64"),
    ],
)
def test_each_limit_fails_the_group_with_its_sentence(prison: Prison, code: str, sentence: str) -> None:
    with pytest.raises(PileusError) as told:
        prison.run(code)
    assert sentence in str(told.value)
    assert isinstance(told.value, ArchiveError | RasterError)


def test_its_death_fails_one_job_and_the_next_succeeds(prison: Prison) -> None:
    before = number_of(prison)
    with pytest.raises(ArchiveError, match=r"^x.tgz: cannot be read: the process that read it crashed \(SIGSEGV\)"):
        prison.run("import ctypes; ctypes.string_at(0)")
    assert gone(before)
    assert prison.run("answer = 1 + 1") == "2"


def test_a_stop_ends_it_while_it_is_busy(prison: Prison) -> None:
    before, stop = number_of(prison), threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    with pytest.raises(HandedBack):
        prison.run("while True: pass", unless(stop))
    assert not Path(f"/proc/{before}").exists() or gone(before)


def test_one_child_does_the_jobs_of_one_collection_only(prison: Prison) -> None:
    first = number_of(prison)
    assert number_of(prison) == first
    with prison.cell.child("another", go_on) as child:
        assert child.number != first
    assert gone(first)


def test_the_fork_server_is_started_again(prison: Prison) -> None:
    child, server = number_of(prison), prison.cell.servant.number
    os.kill(server, signal.SIGKILL)
    assert gone(child)
    assert prison.run("answer = 3") == "3"
    assert prison.cell.servant.number != server


def test_nothing_is_left_of_it(tmp_path: Path) -> None:
    cell = Cell(os.environ, tmp_path, LIMITS)
    with cell.child("any", go_on) as child:
        number = child.number
    server = cell.servant.number
    cell.close()
    assert gone(number)
    assert gone(server)
    assert list(tmp_path.iterdir()) == []


def test_its_children_end_with_the_worker(tmp_path: Path) -> None:
    out, into = os.pipe()
    worker = os.fork()
    if worker == 0:
        cell = Cell(os.environ, tmp_path, LIMITS)
        with cell.child("any", go_on) as child:
            os.write(into, f"{cell.servant.number} {child.number}".encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(worker, 0)
    server, number = map(int, os.read(out, 100).split())
    assert gone(number)
    assert gone(server)


def test_a_sealed_file_cannot_be_changed() -> None:
    file = sealed(b"index", "x")
    for change in (lambda: os.pwrite(file, b"x", 0), lambda: os.ftruncate(file, 2), lambda: os.ftruncate(file, 9)):
        with pytest.raises(PermissionError):
            change()
    assert os.pread(file, 9, 0) == b"index"
    os.close(file)


# What it makes is what is made here.


@pytest.fixture
def zones() -> Zones:
    shapes = [shapely.box(0.5, 0.5, 2.5, 2.5), shapely.box(1, 1, 5, 2), shapely.box(50, 50, 51, 51)]
    return make_zones(["a", "b", "off"], ["A", "B", "Off"], shapes, "EPSG:4326", ["zone a: repaired"])


def tiles(folder: Path) -> list[Source]:
    values = np.arange(1, 10, dtype="float32").reshape(3, 3)
    found = []
    for at, west in enumerate((0, 3)):
        for band, pixels in (("light", values), ("seen", np.eye(3, dtype="uint16"))):
            name = f"t{at}.{band}.tif"
            write(folder / name, pixels, west=west, north=3)
            found.append(Source(name, f"T{at}", folder / name))
    return found


PROCESS = Process(
    band="light",
    zones="z",
    stats=("count", "mean", "median"),
    valid=Valid(band="seen", min=1),
    clips=True,
    pictures=True,
)


def test_statistics_of_the_cell_are_those_of_this_process(prison: Prison, zones: Zones) -> None:
    sources, cache = tiles(prison.scratch), MemoryCache()
    for _ in range(2):
        inside, drawing = Room(prison.cell, "x").measure(
            sources, PROCESS, zones, bands=BANDS, cache=cache, scratch=prison.scratch, check=go_on, task=None
        )
        assert list(drawing) == []
        here = measure(sources, PROCESS, zones, bands=BANDS, scratch=prison.scratch)
        assert inside.table.equals(here.table)
        assert inside.by_tile.equals(here.by_tile)
        assert replace(inside, table=0, by_tile=0, seconds={}) == replace(here, table=0, by_tile=0, seconds={})
    assert set(cache.kept) == set(here.index_hashes)


BANDS = {"light": Band(unit="nW")}
TASK = DrawTask("2015-01", {"light": (1.0, 9.0)})


def test_clips_and_pictures_of_the_cell_are_those_of_this_process(prison: Prison, zones: Zones) -> None:
    def drawn(inside: Inside) -> list[Drawn]:
        sources = tiles(prison.scratch)
        measured, drawing = inside.measure(
            sources, PROCESS, zones, bands=BANDS, cache=None, scratch=prison.scratch, check=go_on, task=TASK
        )
        assert measured.table.num_rows == 3
        return list(drawing)

    made = drawn(Room(prison.cell, "x"))
    assert [(one.kind, one.zone) for one in made] == [(k, z) for z in ("a", "b") for k in ("clip", "picture")]
    assert made == drawn(Here())


def test_a_drawing_that_nobody_wants_to_the_end_ends_its_child(prison: Prison, zones: Zones) -> None:
    before = number_of(prison)
    room = Room(prison.cell, "probe")
    _, drawing = room.measure(
        tiles(prison.scratch), PROCESS, zones, bands=BANDS, cache=None, scratch=prison.scratch, check=go_on, task=TASK
    )
    assert next(drawing).kind == "clip"
    drawing.close()
    assert gone(before)
    assert number_of(prison) != before


def test_a_death_while_it_draws_names_what_was_read_last(prison: Prison, zones: Zones) -> None:
    number, room = number_of(prison), Room(prison.cell, "probe")
    _, drawing = room.measure(
        tiles(prison.scratch), PROCESS, zones, bands=BANDS, cache=None, scratch=prison.scratch, check=go_on, task=TASK
    )
    next(drawing)
    os.kill(number, signal.SIGKILL)
    with pytest.raises(ArchiveError, match=r"^t1.light.tif: cannot be read: the process that read it was ended"):
        list(drawing)


def test_what_is_drawn_is_the_same_after_a_message() -> None:
    assert DrawTask.from_json(json.loads(json.dumps(TASK.to_json()))) == TASK


def test_a_damaged_file_is_told_with_its_own_sentence(prison: Prison, zones: Zones) -> None:
    bad = prison.scratch / "bad.tgz"
    bad.write_bytes(b"\x1f\x8bnothing")
    source = [Source("bad.tgz", path=bad)]
    with pytest.raises(ArchiveError) as here:
        measure(source, PROCESS, zones, scratch=prison.scratch)
    with pytest.raises(ArchiveError) as inside:
        Room(prison.cell, "x").measure(
            source, PROCESS, zones, bands=BANDS, cache=None, scratch=prison.scratch, check=go_on, task=TASK
        )
    assert str(inside.value) == str(here.value)


# What it says is checked.


def test_numbers_that_cannot_be_are_refused(tmp_path: Path, zones: Zones) -> None:
    sources = tiles(tmp_path)
    facts, body = measured_to_numbers(measure(sources, PROCESS, zones, scratch=tmp_path), sources, PROCESS, zones)
    facts, keys = json.loads(json.dumps(facts)), facts["indexes"]
    assert measured_from_numbers(facts, body, sources, PROCESS, zones, keys).table.num_rows == 3
    table = len(zones) * len(PROCESS.stats) * 8
    wrong = [
        (facts, body[:-1], keys),
        (facts, body + b"x", keys),
        (facts | {"rows": -1}, body, keys),
        (facts | {"rows": True}, body, keys),
        (facts | {"rows": 1 << 80}, body, keys),
        (facts, body[:table] + b"\xff\xff\xff\x7f" + body[table + 4 :], keys),
        (facts, body[:table] + b"\xff\xff\xff\xff" + body[table + 4 :], keys),
        (facts, body, []),
        (facts | {"engine": "<script>"}, body, keys),
        (facts | {"notes": ["x"] * 100_001}, body, keys),
        (facts | {"notes": [{}]}, body, keys),
        (facts | {"seconds": {"compile": float("nan"), "measure": 1.0}}, body, keys),
        (facts | {"scratch": -5}, body, keys),
        ({}, body, keys),
    ]
    for facts_, body_, keys_ in wrong:
        with pytest.raises(BadAnswer):
            measured_from_numbers(facts_, body_, sources, PROCESS, zones, keys_)


GRID = [3, 3, 0.0, 3.0, 1.0, -1.0, "EPSG:4326"]


def test_only_grids_that_rasters_have_are_compiled() -> None:
    assert grid_from(GRID) == Grid(*GRID)  # type: ignore[arg-type]
    for at, value in ((0, 0), (0, 1 << 40), (1, 2.5), (2, float("inf")), (4, 0.0), (5, 0), (6, 7), (6, "x" * 200_000)):
        with pytest.raises(BadAnswer):
            grid_from([*GRID[:at], value, *GRID[at + 1 :]])
    for odd in (None, {}, GRID[:-1], [*GRID, 1]):
        with pytest.raises(BadAnswer):
            grid_from(odd)


def test_only_outputs_of_their_format_and_name_are_taken() -> None:
    good = {"kind": "picture", "band": "b", "zone": "z", "facts": {"a": [1, "x"]}}
    png = b"\x89PNG\r\n\x1a\nrest"
    assert room._drawn("drawn", good, png) == Drawn("picture", "b", "z", png, {"a": [1, "x"]})
    for value, body in (
        (good, b"<html>"),
        (good | {"kind": "html"}, png),
        (good | {"band": 1}, png),
        (good | {"facts": {"a": float("nan")}}, png),
        (good | {"facts": {"a": "\x1b[2J"}}, png),
        (good | {"facts": [[[[[[[[1]]]]]]]]}, png),
        ({}, png),
        (None, png),
    ):
        with pytest.raises(BadAnswer):
            room._drawn("drawn", value, body)  # type: ignore[arg-type]
    with pytest.raises(BadAnswer):
        facts_of({"a": [[[[[[[[1]]]]]]]]})
    assert room._put(["a.csv", "text/csv"]) == ("a.csv", "text/csv")
    for odd in (["../a", "text/csv"], ["a", "text/html\r\nX: y"], ["a"], None, [1, 2]):
        with pytest.raises(BadAnswer):
            room._put(odd)


@pytest.mark.parametrize(
    "said",
    [
        b"\xff" * 16,
        (10**12).to_bytes(8, "little") + bytes(8),
        (2).to_bytes(8, "little") + (10**15).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + bytes(8) + b"{}",
        (2).to_bytes(8, "little") + bytes(8) + b"[]",
        (9).to_bytes(8, "little") + bytes(8) + b'{"reading',
        (100_000).to_bytes(8, "little") + bytes(8) + b"[" * 100_000,
        (14).to_bytes(8, "little") + bytes(8) + b'{"reading": 7}',
        (13).to_bytes(8, "little") + bytes(8) + b'{"error": {}}',
        *(
            len(text).to_bytes(8, "little") + bytes(8) + text
            for text in (
                b'{"error": {"name": "SystemExit", "message": "x", "where": null}}',
                b'{"error": {"name": "__builtins__", "message": "x", "where": null}}',
            )
        ),
    ],
)
def test_a_malformed_message_is_one_sentence(prison: Prison, said: bytes) -> None:
    ours, its = socket.socketpair()
    with its:
        child = Child("x", os.getpid(), -1, Channel(ours, SAID))
        its.sendall(said)
        with pytest.raises(ArchiveError, match="answered with a malformed message"):
            list(prison.cell.talk(child, {}, [], go_on, ["x.tgz"], 1000))
        ours.close()


DRAWN = {"drawn": {"kind": "picture", "band": "light", "zone": "a", "facts": {}}}
PNG = MAGIC["picture"][0]


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        (["done"], "what was not asked for"),
        (["drawn"], "what was not asked for"),
        (["measured", "measured"], "what was not asked for"),
        (["measured", "index"], "what was not asked for"),
        (["measured", "put"], "what was not asked for"),
        (["measured", "drawn", "drawn"], "an output that was not asked for, or twice"),
        (["measured", "of another zone"], "an output that was not asked for, or twice"),
    ],
)
def test_what_it_says_out_of_turn_is_refused(
    prison: Prison, zones: Zones, monkeypatch: pytest.MonkeyPatch, order: list[str], sentence: str
) -> None:
    sources = tiles(prison.scratch)
    here = measure(sources, PROCESS, zones, bands=BANDS, scratch=prison.scratch)
    facts, numbers = measured_to_numbers(here, sources, PROCESS, zones)
    said: dict[str, tuple[dict[str, Any], bytes]] = {
        "measured": ({"measured": facts}, numbers),
        "index": ({"index": GRID, "rule": "exact"}, b""),
        "drawn": (DRAWN, PNG),
        "of another zone": ({"drawn": DRAWN["drawn"] | {"zone": "z"}}, PNG),
        "put": ({"put": ["a.txt", "text/plain"]}, b""),
        "done": ({"done": {}}, b""),
    }
    ours, its = socket.socketpair()
    with ours, its:
        child = Child("x", os.getpid(), -1, Channel(ours, SAID), keys=set(here.index_hashes))
        monkeypatch.setattr(prison.cell, "child", lambda *_: nullcontext(child))
        for one in order:
            Channel(its).send(*said[one])
        with pytest.raises(ArchiveError, match=f"answered with {sentence}"):
            list(
                Room(prison.cell, "x").measure(
                    sources, PROCESS, zones, bands=BANDS, cache=None, scratch=prison.scratch, check=go_on, task=TASK
                )[1]
            )


def test_settings_say_whether_there_is_one() -> None:
    assert limits_of({"PILEUS_CELL": "off"}) is None
    assert limits_of({"PILEUS_CELL_MEMORY": "100", "PILEUS_CELL_SECONDS": "7"}) == Limits(100 << 20, 7)
    assert limits_of({}) is not None
    for wrong in ({"PILEUS_CELL": "no"}, {"PILEUS_CELL_MEMORY": "-1"}, {"PILEUS_CELL_SECONDS": "1e9"}):
        with pytest.raises(UsageError):
            limits_of(wrong)


def test_both_machines_deny_the_same_calls() -> None:
    assert set(DENIED["x86_64"]) == set(DENIED["aarch64"])


WITHOUT = """
import socket, sys, tempfile
from pathlib import Path
sys.path.insert(0, str(Path("spec/support/cell").resolve()))
from spec.unit.cell_spec import Prison
prison = Prison(Path(tempfile.mkdtemp()))
server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]
for code in (f"import socket; socket.create_connection(('127.0.0.1', {port}))", "open('/etc/passwd')"):
    try:
        print(prison.run(code))
    except Exception as error:
        print(error)
prison.cell.close()
"""


@complete
def test_where_namespaces_are_refused_it_has_no_network_either_and_says_so() -> None:
    inner = 'echo 0 > /proc/sys/user/max_user_namespaces; exec $0 -c "$1"'
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", inner, sys.executable, WITHOUT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.count("unexpected PermissionError") == 2, done.stdout + done.stderr
    assert "the cell is not complete" in done.stderr


def test_a_file_is_looked_at_in_the_cell(prison: Prison) -> None:
    light, seen, *_ = tiles(prison.scratch)
    archive = prison.scratch / "a.tgz"
    archive.write_bytes(tgz({one.name: one.path.read_bytes() for one in (light, seen) if one.path}))
    good, room = Source("a.tgz", path=archive), Room(prison.cell, "x")
    room.look(good, PROCESS, BANDS, scratch=prison.scratch, check=go_on)
    other = PROCESS.model_copy(update={"band": "dark"})
    with pytest.raises(ArchiveError, match="lacks dark: its members are"):
        room.look(good, other, {}, scratch=prison.scratch, check=go_on)
    room.look(good, PROCESS, BANDS, scratch=prison.scratch, check=go_on)


SQUARES = {
    "type": "FeatureCollection",
    "features": [
        {"type": "Feature", "id": name, "properties": {"code": f"c{name}"}, "geometry": shape}
        for name, shape in (
            ("a", {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]]}),
            ("bow", {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}),
        )
    ],
}
"""A square, and one that crosses itself and is repaired."""


def zipped(name: str, body: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        file.writestr(name, body)
    return sink.getvalue()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "zipped"])
def test_a_strangers_zones_are_read_in_the_cell_as_they_are_here(prison: Prison, packed: bool) -> None:
    body = json.dumps(SQUARES).encode()
    body = zipped("z.geojson", body) if packed else body
    told: dict[str, Any] = {"zone_id": "code", "where": "zones", "check": go_on}
    found, here = Room(prison.cell, "zones").zones(body, **told), Here().zones(body, **told)
    assert (found.ids, found.hash, found.notes) == (here.ids, here.hash, here.notes)
    assert found.ids == ("ca", "cbow")
    assert found.notes


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b'{"type": "FeatureCollection", "features": []}', bytes(100)],
    ids=["cut", "empty", "without features", "zeros"],
)
def test_what_is_no_file_of_zones_is_told(prison: Prison, body: bytes) -> None:
    with pytest.raises(ZonesError, match="zones"):
        Room(prison.cell, "zones").zones(body, zone_id=None, where="zones", check=go_on)


GOOD = make_zones(["a"], ["A"], [shapely.box(0, 0, 1, 1)], "EPSG:4326")


@pytest.mark.parametrize(
    ("zones", "notes"),
    [
        (replace(GOOD, ids=("a", "a")), []),
        (replace(GOOD, ids=()), []),
        (replace(GOOD, ids=(1,)), []),
        (replace(GOOD, names=()), []),
        (replace(GOOD, crs="x" * 200_000), []),
        (replace(GOOD, geometries=np.array([shapely.Point(0, 0)])), []),
        (replace(GOOD, geometries=np.array([shapely.MultiPolygon()])), []),
        (GOOD, "no list"),
        (GOOD, [1]),
    ],
)
def test_zones_that_a_child_may_not_tell_are_refused(zones: Zones, notes: Any) -> None:
    with pytest.raises(BadAnswer):
        zones_of(notes, zones_to_bytes(zones))


def test_a_child_cannot_pass_zones_off_as_others() -> None:
    told = zones_of([], zones_to_bytes(replace(GOOD, hash="0" * 64)))
    assert told.hash == GOOD.hash
    for cut in (b"", b"x", zones_to_bytes(GOOD)[:-3]):
        with pytest.raises(BadAnswer):
            zones_of([], cut)

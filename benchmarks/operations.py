"""What an operation of a request costs beside its work: the same graphs by Pileus, by dask.distributed and by Celery.

The large graph has 10 waves of 100 operations, each of which adds one to a number, and one more that sums the last
wave: 1,001 operations. The small one has three. Ours: a node over a folder, with requests and results on the disk.
`ours` does a graph in one confined process, as it does without being told otherwise; `ours_parts` has two nodes that
take turns, so that no operation of the large graph is done with the one that it reads, as it were over several
machines: each wave is eight parts of a node, with a file for each result. `ours_stack` is an embedded stack with two
workers: an execution of RunGraph, in which a wave is a round of 40 messages of a queue; there each operation is given
its neighbour's number too, without which ten operations in a row would be one message. Both are measured once a run.
`by_hand` calls the same functions in one process.

dask.distributed has a scheduler and two workers in processes of their own. Celery has a real Redis and two worker
processes; a wave is a group of tasks, and numbers go through Redis as JSON. Both keep results in memory alone. All
alternate. Prints two JSON lines, one for a node and one for a stack: medians in milliseconds an operation of the large
graph, the milliseconds of the small one, and ratios of the peers' to ours.

    python benchmarks/operations.py --venvs FOLDER [--install] [--rounds 5] [--no-stack]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import xarray

from pileus.client.connect import connect
from pileus.nodes.folder import FolderService
from pileus.nodes.settings import read_settings
from pileus.nodes.wire import route_of
from pileus.stratus.request import StratusRequest
from pileus.stratus.service import NETCDF, Service
from spec.support.broker import redis_server

HERE = Path(__file__).resolve().parent
PEERS = {
    "dask": ("dask==2026.8.0", "distributed==2026.8.0", "xarray", "numpy"),
    "celery": ("celery==5.7.0", "redis==8.1.0", "xarray", "numpy"),
}
"""What each peer's environment has."""
WAVES, WIDTH = 10, 100
LARGE, SMALL = "large", "small"
OPERATIONS = {LARGE: WAVES * WIDTH + 1, SMALL: 3}
TOTAL = {LARGE: WAVES * WIDTH, SMALL: 3}
"""What comes out: of the small graph, one added three times."""
ONCE = ("ours_parts", "ours_stack")
LONGEST = 600
"""Seconds after which a graph has failed."""
FUNCTIONS = '''
import xarray
from pileus.endpoint import endpoint


@endpoint("even*", "odd*")
def add(data, *others):
    """Add one to the first."""
    return data + 1


@endpoint("even*", "odd*")
def total(*datasets):
    """Sum data sets."""
    return sum(datasets[1:], datasets[0])
'''


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venvs", type=Path, required=True, help="has a virtual environment for each peer")
    parser.add_argument("--install", action="store_true", help="make those that are missing")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-stack", action="store_true", help="leave the embedded stack out")
    arguments = parser.parse_args()
    times: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ways: dict[str, Callable[[str], float]] = {"by_hand": by_hand}
        ways["ours"] = stack.enter_context(ours(folder / "one", nodes=1))
        ways["ours_parts"] = stack.enter_context(ours(folder / "two", nodes=2))
        if not arguments.no_stack:
            ways["ours_stack"] = stack.enter_context(embedded(folder / "stack"))
        broker = stack.enter_context(redis_server(folder))
        for peer in PEERS:
            python = interpreter(arguments.venvs / peer, PEERS[peer], install=arguments.install)
            ways[peer] = stack.enter_context(asked(python, HERE / "peers" / f"{peer}_operations.py", broker, folder))
        for number in range(arguments.rounds + 1):
            for size in (SMALL, LARGE):
                for way, do in ways.items():
                    if way in ONCE and size == LARGE and number < arguments.rounds:
                        continue  # it takes long: once, in the last round
                    taken = do(size)
                    if number:  # the first round warms up
                        times.setdefault((way, size), []).append(taken * 1000)
    node = {key: each for key, each in times.items() if key[0] != "ours_stack"}
    print(json.dumps(told("operations", node, ("ours", "ours_parts"))))
    if not arguments.no_stack:
        shared = {key: each for key, each in times.items() if key[0] not in ("ours", "ours_parts")}
        print(json.dumps(told("operations_stack", shared, ("ours_stack",))))


def told(case: str, times: dict[tuple[str, str], list[float]], ours: tuple[str, ...]) -> dict[str, Any]:
    """Return a line: medians, and what the peers need for what we, in each of our ways, need one."""
    ways = list(dict.fromkeys(way for way, _ in times))
    large = {way: statistics.median(times[way, LARGE]) / OPERATIONS[LARGE] for way in ways}
    small = {way: statistics.median(times[way, SMALL]) for way in ways}
    peers = [way for way in ways if way in PEERS]
    return {
        "case": case,
        "operations": OPERATIONS[LARGE],
        "ms_per_operation": {way: round(one, 3) for way, one in large.items()},
        "overhead_ms_per_operation": {way: round(one - large["by_hand"], 3) for way, one in large.items()},
        "small_graph_ms": {way: round(one, 1) for way, one in small.items()},
        "ratio": {way: {peer: round(large[peer] / large[way], 2) for peer in peers} for way in ours},
        "ratio_small": {way: {peer: round(small[peer] / small[way], 2) for peer in peers} for way in ours},
        "rounds_ms": {f"{way} {size}": [round(one, 1) for one in each] for (way, size), each in times.items()},
    }


def by_hand(size: str) -> float:
    """Return the seconds that the functions themselves take."""
    begun = time.perf_counter()
    wave = [xarray.Dataset({"v": 0.0})] * (WIDTH if size == LARGE else 1)
    for _ in range(WAVES if size == LARGE else 3):
        wave = [one + 1 for one in wave]
    check(size, float(sum(wave[1:], wave[0])["v"]))
    return time.perf_counter() - begun


def check(size: str, value: float) -> None:
    if value != TOTAL[size]:
        raise SystemExit(f"{size}: {value} in place of {TOTAL[size]}")


def graph(size: str, nodes: int, *, crossed: bool) -> dict[str, Any]:
    """Return a request; with two nodes each wave is the other's. `crossed`: operations are given their neighbour's."""
    waves, width = (WAVES, WIDTH) if size == LARGE else (3, 1)
    epas = ("even", "odd")[:nodes]
    operations = [
        {
            "name": f"{epas[wave % nodes]}:add",
            "input": [f"w{wave - 1}-{each % width}" for each in (one, one + 1)[: 1 + crossed]] if wave else "v0",
            "result": f"w{wave}-{one}",
        }
        for wave in range(waves)
        for one in range(width)
    ]
    if size == LARGE:
        last = [f"w{waves - 1}-{one}" for one in range(width)]
        operations.append({"name": f"{epas[waves % nodes]}:total", "input": last, "result": "total"})
    return {"operation": operations}


@contextmanager
def ours(folder: Path, nodes: int) -> Iterator[Callable[[str], float]]:
    """Yield what does a graph on a node of its own, and returns the seconds."""
    folder.mkdir()
    sections: dict[str, dict[str, Any]] = {}
    for epa in ("even", "odd")[:nodes]:
        (folder / f"bench_{epa}.py").write_text(FUNCTIONS.replace('"even*", "odd*"', f'"{epa}*"'))
        sections[epa] = {"type": "endpoint", "module": f"bench_{epa}", "at_once": 2 // nodes}
    settings = folder / "node.json"
    settings.write_text(json.dumps(sections))
    route = route_of(read_settings(settings))
    service = FolderService(folder / "kept", route)
    try:
        yield partial(done, service, nodes, False)
    finally:
        service.close()
        route.close()


@contextmanager
def embedded(folder: Path) -> Iterator[Callable[[str], float]]:
    """Yield what does a graph on an embedded stack with two workers, and returns the seconds."""
    for name in ("collections", "endpoints"):
        (folder / name).mkdir(parents=True)
    (folder / "endpoints/bench.py").write_text(FUNCTIONS)
    environ = os.environ | {"PYTHONPATH": str(HERE.parent)}

    def pileus(*arguments: str) -> None:
        command = [sys.executable, "-m", "pileus", *arguments]
        subprocess.run(command, cwd=folder, env=environ, check=True, stdout=subprocess.DEVNULL)

    pileus("up", "--detach", "--workers", "2")
    try:
        yield partial(done, connect(folder).graphs, 1, True)
    finally:
        pileus("down")


def done(service: Service, nodes: int, crossed: bool, size: str) -> float:
    """Have a service do a graph, and return the seconds."""
    content = xarray.Dataset({"v": 0.0}).to_netcdf(engine="h5netcdf")
    uri = service.upload(BytesIO(bytes(content)))
    request = graph(size, nodes, crossed=crossed) | {"input": [{"name": "v0", "uri": uri}]}
    begun = time.perf_counter()
    progress = service.start(StratusRequest.from_json(request))
    while not progress.state.ended:
        time.sleep(0.002)
        progress = service.find(progress.rid)
        if time.perf_counter() - begun > LONGEST:
            raise SystemExit(f"more than {LONGEST} s: {progress}")
    made = b"".join(service.result(progress.rid, "", NETCDF))
    taken = time.perf_counter() - begun
    check(size, float(xarray.load_dataset(BytesIO(made), engine="h5netcdf")["v"]))
    service.delete(progress.rid)
    return taken


def interpreter(folder: Path, wanted: tuple[str, ...], *, install: bool) -> Path:
    """Return the interpreter of a peer's environment."""
    python = folder / "bin/python"
    if install and not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    if not python.exists():
        raise SystemExit(f"no {python}: use --install")
    return python


@contextmanager
def asked(python: Path, script: Path, broker: str, folder: Path) -> Iterator[Callable[[str], float]]:
    """Yield what asks a peer's script for a graph, and returns the seconds that it took."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, script, broker, str(WAVES), str(WIDTH)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder, env=environ, text=True
    ) as process:
        assert process.stdin
        assert process.stdout

        def do(size: str) -> float:
            process.stdin.write(f"{size}\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            answer = json.loads(process.stdout.readline())  # type: ignore[union-attr]
            check(size, answer["value"])
            return float(answer["seconds"])

        try:
            yield do
        finally:
            process.stdin.close()
            process.wait(60)


if __name__ == "__main__":
    main()

"""A month of six full tiles from an https server: ours while it arrives, and the script that people write instead.

    python benchmarks/month.py --tile TILE.tgz --zones countries_10m.geojson --scratch FOLDER
        [--rounds 3] [--line unlimited|limited] [--tiles 6]

TILE.tgz is an archive with NAME.avg_rade9h.tif and NAME.cf_cvg.tif, as `make_provider.py --full` makes it; the six are
copies of it that lie at the six places of the globe. The server is nginx with TLS on the loopback. `limited`: each of
six connections has a sixth of 40 MB/s, as the real provider limits connections and not the whole.

Ours is one group of a worker with its cell: connected, measured under the mask, written and committed. The script is
`curl --parallel`, then `tar`, then exactextract for each tile, without a mask, which is less work. They take turns.
A line of JSON for each peer: medians of wall seconds, of CPU seconds, and the most memory (PSS of all processes) and
disk that were used at once. `of_bytes`: seconds of ours over those that the bytes take on the line alone.
"""

import argparse
import gzip
import json
import os
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from isal import igzip

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.download import certificate
from spec.servers import find
from spec.servers.web import nginx

PLACES = {
    f"{lat}{lon}": (west, north)
    for lat, north in (("75N", 75.00208333335), ("00N", 0.00208333335))
    for lon, west in (("180W", -180.00208333335), ("060W", -60.00208333335), ("060E", 59.99791666665))
}
"""West and north edge of each tile, in degrees."""
LINE = 40_000_000
"""Bytes a second of the limited line."""
TIEPOINT = 33922
"""Tag of a GeoTIFF: column, row, height; then west, north and height of that pixel's corner."""
HEAD = 1 << 20
"""Bytes of a raster in which its place stands."""
PEER = """
import csv, json, sys
from exactextract import exact_extract
tif, zones, out = sys.argv[1:]
features = json.load(open(zones))["features"]
names = ["count", "sum", "mean", "min", "max", "stdev"]
with open(out, "w") as file:
    writer = csv.writer(file)
    for row in exact_extract(tif, features, names):
        writer.writerow(row["properties"].values())
"""
OURS = """
import json, os, sys
from pathlib import Path
from pileus.cell.cell import Cell
from pileus.cell.settings import limits_of
from pileus.models import Partition
from pileus.tasks.process_group import process_group
from pileus.tasks.worker_state import WorkerState
from pileus.wiring import wire_folder
if __name__ == "__main__":
    event, zones, work = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), Path(sys.argv[3])
    edges, state = wire_folder(work / "buckets", os.environ), WorkerState(work / "scratch")
    edges.store.put("s3://internal/zones/zones.geojson", zones.read_bytes())
    state.cell = Cell(os.environ, state.volume.folder.resolve(), limits_of(os.environ))
    done = process_group(edges, event, state)
    state.close()
    print(json.dumps(done))
"""


def tiles(tile: Path, folder: Path, names: list[str]) -> None:
    """Write an archive for each place: the compressed pixels of `tile`, each raster's head with the place in it."""
    folder.mkdir(parents=True, exist_ok=True)
    if all((folder / f"{name}.tgz").exists() for name in names):
        return
    parts: list[tuple[bytes, bytes, bytes]] = []
    with tarfile.open(tile) as tar:
        for member in tar:
            source = tar.extractfile(member)
            assert source is not None
            head = source.read(HEAD)
            packed = BytesIO()
            with igzip.IGzipFile(fileobj=packed, mode="wb", compresslevel=3, mtime=0) as zipped:
                shutil.copyfileobj(source, zipped, 1 << 20)
                zipped.write(bytes(-member.size % 512))
            parts.append((member.tobuf(), head, packed.getvalue()))
    for name in names:
        with (folder / f"{name}.tgz").open("wb") as out:
            for header, head, packed in parts:
                out.write(gzip.compress(header + _moved(head, PLACES[name]), 1))
                out.write(packed)
            out.write(gzip.compress(bytes(10240), 1))


def _moved(head: bytes, place: tuple[float, float]) -> bytes:
    """Return the head of a GeoTIFF with another west and north edge in its tie point."""
    (directory,) = struct.unpack_from("<I", head, 4)
    (count,) = struct.unpack_from("<H", head, directory)
    for entry in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, _, _, at = struct.unpack_from("<HHII", head, entry)
        if tag == TIEPOINT:
            return head[: at + 24] + struct.pack("<2d", *place) + head[at + 40 :]
    raise SystemExit("the tile has no tie point in its head")


@dataclass
class Used:
    """What a way took."""

    wall: float
    cpu: float
    memory: int
    """Bytes."""
    disk: int
    """Bytes."""


def run(command: list[str], work: Path) -> Used:
    """Run a command in an empty folder, and watch all its processes."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ)
    peaks = {"memory": 0, "disk": 0}
    busy: dict[int, float] = {}
    """CPU seconds of each process, as last seen: one that is killed may be reaped by nobody who is counted."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            family = _family(process.pid)
            busy.update((one, _cpu(one) or busy.get(one, 0.0)) for one in family)
            peaks["memory"] = max(peaks["memory"], sum(map(_memory, family)))
            peaks["disk"] = max(peaks["disk"], _size(work))

    thread = threading.Thread(target=watch)
    thread.start()
    code = process.wait()
    wall = time.perf_counter() - started
    over.set()
    thread.join()
    if code:
        raise SystemExit(f"{command[0]} failed with {code}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Used(wall, max(cpu, sum(busy.values())), peaks["memory"], peaks["disk"])


def _family(process: int) -> list[int]:
    """Return a process and all that descend from it."""
    found = [process]
    with suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError):
                for child in (task / "children").read_text().split():
                    found += _family(int(child))
    return found


def _cpu(process: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _memory(process: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_blocks * 512 if path.is_file() else 0
    return total


def ours(url: str, names: list[str], zones: Path, work: Path, trusted: Path) -> list[str]:
    """Return the command of one group of a worker."""
    host = url.partition("://")[2]
    rules = {
        "band": "avg_rade9h",
        "valid": {"band": "cf_cvg", "min": 1},
        "zones": "s3://internal/zones/zones.geojson",
        "stats": ["count", "sum", "mean", "min", "max", "stddev"],
    }
    granules = [
        {"name": f"{name}.tgz", "url": f"{url}/{name}.tgz", "parts": {"tile": name}, "bucket": "internal"}
        for name in names
    ]
    document = {"name": "month_2015-01", "files": [{"regex": "(?P<tile>.*)"}], "provider": "site", "provider_path": "/"}
    event = {
        "config": {
            "partition": "month/001/2015-01/2015-01",
            "collection": document | {"meta": {"group": {"each": "tile"}, "process": rules}},
            "provider": {"id": "site", "protocol": "https", "host": host, "ca_file": str(trusted)},
            "fingerprint": "f",
            "backfill": "b",
            "run": 1,
        },
        "input": {"key": "2015-01", "granules": granules, "missing": []},
    }
    told = work.with_name("event.json")
    told.write_text(json.dumps(event))
    code = work.with_name("ours.py")
    code.write_text(OURS)
    return [sys.executable, str(code), str(told), str(zones), str(work)]


def script(url: str, names: list[str], zones: Path, work: Path, trusted: Path) -> list[str]:
    """Return the command of the script."""
    code = work.with_name("peer.py")
    code.write_text(PEER)
    remote = " ".join(f"-O {url}/{name}.tgz" for name in names)
    lines = [
        "set -e",
        f"cd {work}",
        f"curl --no-progress-meter --fail --parallel --parallel-max 6 --cacert {trusted} {remote}",
        "for tile in *.tgz; do",
        "  mkdir out; tar -xzf $tile -C out",
        f"  {sys.executable} {code} out/*avg_rade9h.tif {zones} $tile.csv",
        "  rm -r out",
        "done",
    ]
    return ["bash", "-c", "\n".join(lines)]


WAYS = {"ours": ours, "script": script}


@contextmanager
def site(folder: Path, work: Path, limited: bool) -> Iterator[tuple[str, Path]]:
    """Serve the tiles; yield the address and the certificate."""
    pair = certificate(work)
    rate = str(LINE // 6) if limited else "0"
    with nginx(folder, work / "nginx", rate=rate, tls=pair) as served:
        yield served.url, pair[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tile", type=Path, required=True)
    parser.add_argument("--zones", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiles", type=int, default=6)
    parser.add_argument("--line", choices=["unlimited", "limited"], default="unlimited")
    parser.add_argument("--way", choices=list(WAYS), action="append")
    asked = parser.parse_args()
    names, limited = list(PLACES)[: asked.tiles], asked.line == "limited"
    folder, zones = asked.scratch.resolve() / "tiles", asked.zones.resolve()
    tiles(asked.tile, folder, names)
    used: dict[str, list[Used]] = {way: [] for way in asked.way or WAYS}
    with (
        tempfile.TemporaryDirectory(dir=asked.scratch.resolve()) as place,
        site(folder, Path(place), limited) as (url, trusted),
    ):
        for number in range(asked.rounds):
            for way in list(used)[:: 1 if number % 2 else -1]:
                work = Path(place) / "work"
                used[way].append(run(WAYS[way](url, names, zones, work, trusted), work))
                print(json.dumps({"way": way} | vars(used[way][-1])), file=sys.stderr, flush=True)
    size = sum((folder / f"{name}.tgz").stat().st_size for name in names)
    tell(used, asked.line, len(names), size)


def tell(used: dict[str, list[Used]], line: str, tiles: int, size: int) -> None:
    """Print what each way took."""

    def of(way: str) -> dict[str, float]:
        found = used[way]
        return {
            f"{way}_s": round(statistics.median(one.wall for one in found), 2),
            f"{way}_cpu_s": round(statistics.median(one.cpu for one in found), 2),
            f"{way}_mb": round(max(one.memory for one in found) / 1e6),
            f"{way}_disk_mb": round(max(one.disk for one in found) / 1e6),
        }

    told = {
        "case": f"month, {line}",
        "tiles": tiles,
        "mb": round(size / 1e6),
        **{k: v for w in used for k, v in of(w).items()},
    }
    if len(used) > 1:
        told |= {
            "ratio": round(told["script_s"] / told["ours_s"], 2),
            "cpu_ratio": round(told["script_cpu_s"] / told["ours_cpu_s"], 2),
        }
    if line == "limited":
        told["of_bytes"] = round(size / LINE * (6 / tiles) / told["ours_s"], 3)
    print(json.dumps(told | {"rounds": len(next(iter(used.values())))}), flush=True)


if __name__ == "__main__":
    if not find("nginx"):
        raise SystemExit("nginx is missing: apt-get install nginx")
    main()

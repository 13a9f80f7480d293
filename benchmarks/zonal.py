"""Zonal statistics on one full tile: ours against exactextract, rasterstats and isal, in the same run.

    benchmarks/zonal.py --tile TILE.tgz --zones us_counties_10m.geojson --scratch FOLDER [--runs 5] [--case a ...]

TILE.tgz is an archive with NAME.avg_rade9h.tif and NAME.cf_cvg.tif, as `make_provider.py --full` makes it. Ours and the
peer take turns; each figure is the median of the runs; files are in the page cache. A line of JSON a case:
`ratio` = peer_s / ours_s, above 1 we are faster; `ours_mb` is the peak memory of a process that does only that case.
rasterstats measures every tenth zone and its time is multiplied by ten. The scratch folder needs about 6 GB.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
import shapely
from isal import isal_zlib

from pileus.documents import Process
from pileus.raster.grid import Grid
from pileus.raster.packed import pack
from pileus.raster.request import BandRequest, Place
from pileus.zonal import FolderCache, Source, Zones, make_zones, measure, read_zones
from pileus.zonal.accumulators import Accumulators
from pileus.zonal.cache import fetch_index
from pileus.zonal.compile import compile_index
from pileus.zonal.index import ZoneIndex
from pileus.zonal.validity import Validity

STATS = ("count", "sum", "mean", "min", "max", "stddev")
PEER_STATS = ["count", "sum", "mean", "min", "max", "stdev"]


class Bench:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.scratch: Path = args.scratch
        self.zones = read_zones(args.zones, zone_id=None, where=str(args.zones))
        self.features = json.loads(args.zones.read_text())["features"]
        self.cache = FolderCache(self.scratch / "cache")
        self.tif, self.cog = self.scratch / "tile.avg_rade9h.tif", self.scratch / "cog.avg_rade9h.tif"
        self.process = Process(band="avg_rade9h", zones="", stats=STATS)

    def unpack(self) -> None:
        if not self.tif.exists():
            with tarfile.open(self.args.tile) as tar:
                member = next(m for m in tar if m.name.endswith("avg_rade9h.tif"))
                source = tar.extractfile(member)
                assert source is not None
                with self.tif.open("wb") as out:
                    while block := source.read(1 << 22):
                        out.write(block)

    def to_cog(self) -> None:
        self.unpack()
        if not self.cog.exists():
            rasterio.shutil.copy(self.tif, self.cog, driver="COG", compress="ZSTD", level=1, overviews="NONE",
                                 num_threads="ALL_CPUS")  # fmt: skip

    def measure(self, path: Path, zones: Zones | None = None, process: Process | None = None) -> Any:
        source = Source(path.name, path=path)
        return measure([source], process or self.process, zones or self.zones, cache=self.cache, scratch=self.scratch)

    def exactextract(self, raster: Any) -> Callable[[], Any]:
        from exactextract import exact_extract

        return lambda: exact_extract(str(raster) if isinstance(raster, Path) else raster, self.features, PEER_STATS)

    def rasterstats_tenth(self) -> None:
        from rasterstats import zonal_stats

        names = ["count", "sum", "mean", "min", "max", "std"]
        zonal_stats(self.features[::10], str(self.tif), stats=names, nodata=-1)

    def kernel(self) -> Callable[[], None]:
        """Pack and measure every band of a mapped array."""
        with rasterio.open(self.tif) as file:
            grid = Place().grid(file, "tile")
        from pileus.raster.layers import FileLayer
        from pileus.raster.opening import open_file

        layer = open_file(self.tif, BandRequest(), "tile")
        assert isinstance(layer, FileLayer)
        mapped = np.memmap(self.tif, layer.strips.dtype, "r", layer.strips.start, (grid.height, grid.width))
        mapped.view(np.uint8)[:, ::4096].sum()
        index, areas = fetch_index(self.zones, grid, "exact", self.cache)[0], grid.cell_areas()
        rows = np.asarray(mapped)

        def run() -> None:
            accumulators = Accumulators(index, areas, Validity(), False)

            def one(band: int) -> None:
                first, last = index.needed.rows(band)
                accumulators.add(band, pack(index.needed, band, rows[first:last], first), None)

            with ThreadPoolExecutor(2) as pool:
                list(pool.map(one, index.needed.bands()))
            accumulators.joined()

        return run

    def mapped_source(self) -> Any:
        from exactextract.raster import NumPyRasterSource

        from pileus.raster.layers import FileLayer
        from pileus.raster.opening import open_file

        layer = open_file(self.tif, BandRequest(), "tile")
        assert isinstance(layer, FileLayer)
        grid = layer.grid
        rows = np.memmap(self.tif, layer.strips.dtype, "r", layer.strips.start, (grid.height, grid.width))
        return NumPyRasterSource(np.asarray(rows), *grid.bounds, srs_wkt=grid.crs)

    def gunzip(self) -> None:
        buffer = memoryview(bytearray(1 << 20))
        with self.args.tile.open("rb", buffering=0) as file:
            reader = isal_zlib._GzipReader(file, 1 << 20)
            while reader.readinto(buffer):
                pass


def alternate(runs: int, *functions: Callable[[], Any]) -> list[float]:
    """Median seconds of each function; they take turns."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(runs):
        for spent, function in zip(times, functions, strict=True):
            started = time.perf_counter()
            function()
            spent.append(time.perf_counter() - started)
    return [statistics.median(spent) for spent in times]


def peak(args: argparse.Namespace, name: str) -> float | None:
    """Peak memory, MB, of a process that runs `name` of PEAKS once."""
    if args.no_memory:
        return None
    command = [sys.executable, __file__, "--peak", name, "--tile", args.tile, "--zones", args.zones, "--scratch",
               args.scratch]  # fmt: skip
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True)
    return float(done.stdout)


PEAKS: dict[str, Callable[[Bench], Any]] = {
    "strips": lambda b: b.measure(b.tif),
    "cog": lambda b: b.measure(b.cog),
    "tgz": lambda b: b.measure(b.args.tile),
    "masked": lambda b: b.measure(b.args.tile, process=masked()),
    "compile": lambda b: compile_index(b.zones, grid_of(b)),
    "exactextract": lambda b: b.exactextract(b.tif)(),
}


def masked() -> Process:
    return Process(band="avg_rade9h", zones="", stats=STATS, valid={"band": "cf_cvg", "min": 1})  # type: ignore[arg-type]


def grid_of(bench: Bench) -> Grid:
    with rasterio.open(bench.tif) as file:
        return Place().grid(file, "tile")


def say(case: str, ours: float, peer: str, peer_s: float | None, mb: float | None = None, **more: Any) -> None:
    ratio = None if peer_s is None else round(peer_s / ours, 2)
    line = {"case": case, "ours_s": round(ours, 4), "peer": peer, "peer_s": peer_s and round(peer_s, 4), "ratio": ratio,
            "ours_mb": mb and round(mb)}  # fmt: skip
    print(json.dumps({**line, **more}), flush=True)


def case_a(bench: Bench) -> None:
    bench.unpack()
    bench.measure(bench.tif)
    ours, peer, tenth = alternate(bench.args.runs, lambda: bench.measure(bench.tif), bench.exactextract(bench.tif),
                                  bench.rasterstats_tenth)  # fmt: skip
    mb = peak(bench.args, "strips")
    theirs = peak(bench.args, "exactextract")
    say("a strips", ours, "exactextract", peer, mb, peer_mb=theirs and round(theirs))
    say("a strips", ours, "rasterstats, a tenth of the zones, x10", 10 * tenth, mb)


def case_cog(bench: Bench) -> None:
    bench.to_cog()
    bench.measure(bench.cog)
    ours, peer = alternate(bench.args.runs, lambda: bench.measure(bench.cog), bench.exactextract(bench.cog))
    say("a zstd cog", ours, "exactextract", peer, peak(bench.args, "cog"))


def case_b(bench: Bench) -> None:
    bench.unpack()
    run = bench.kernel()
    run()
    ours, peer = alternate(bench.args.runs, run, bench.exactextract(bench.mapped_source()))
    say("b kernel on a mapped array", ours, "exactextract on the same array", peer)


def case_c(bench: Bench) -> None:
    tile = bench.args.tile
    bench.measure(tile)
    ours, under, gunzip = alternate(bench.args.runs, lambda: bench.measure(tile),
                                    lambda: bench.measure(tile, process=masked()), bench.gunzip)  # fmt: skip
    say("c tgz", ours, "isal gunzip alone", gunzip, peak(bench.args, "tgz"), times_gunzip=round(ours / gunzip, 3))
    say("c tgz under its mask", under, "isal gunzip alone", gunzip, peak(bench.args, "masked"),
        times_gunzip=round(under / gunzip, 3))  # fmt: skip


def case_d(bench: Bench) -> None:
    bench.unpack()
    grid = grid_of(bench)
    index, key, _ = fetch_index(bench.zones, grid, "exact", bench.cache)
    fetch = lambda: ZoneIndex.from_bytes(bench.cache.get(key) or b"")  # noqa: E731
    ours, load, peer = alternate(bench.args.runs, lambda: compile_index(bench.zones, grid), fetch,
                                 bench.exactextract(bench.tif))  # fmt: skip
    say("d compile", ours, "exactextract, one run", peer, peak(bench.args, "compile"))
    say("d fetch from the cache", load, "", None, index_mb=round(len(index.to_bytes()) / 1e6, 1))


def case_e(bench: Bench) -> None:
    bench.unpack()
    places = [shapely.Point(-150 + 9 * n, 62 - 5 * n).buffer(0.02) for n in range(9)]
    zones = make_zones([str(n) for n in range(9)], [str(n) for n in range(9)], places, "EPSG:4326")
    bench.measure(bench.tif, zones)
    features = [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(p)} for p in places]
    from exactextract import exact_extract

    peer_run = lambda: exact_extract(str(bench.tif), features, PEER_STATS)  # noqa: E731
    ours, peer = alternate(bench.args.runs, lambda: bench.measure(bench.tif, zones), peer_run)
    say("e nine small zones", ours, "exactextract", peer)


def case_f(bench: Bench) -> None:
    """Time by number of zones: cells of a lattice over the lower 48; then by number of pixels."""
    bench.unpack()
    grid = grid_of(bench)
    for count in (10, 100, 1000, 10_000, 45_000):
        across = int(np.ceil(np.sqrt(count * 2)))
        down = -(-count // across)
        xs, ys = np.linspace(-125, -67, across + 1), np.linspace(49, 25, down + 1)
        boxes = [shapely.box(xs[c], ys[r + 1], xs[c + 1], ys[r]) for r in range(down) for c in range(across)][:count]
        rounded = list(shapely.buffer(boxes, 0))
        names = [str(n) for n in range(count)]
        zones = make_zones(names, names, rounded, "EPSG:4326")
        started = time.perf_counter()
        compile_index(zones, grid)
        spent = time.perf_counter() - started
        bench.measure(bench.tif, zones)
        (ours,) = alternate(bench.args.runs, lambda zones=zones: bench.measure(bench.tif, zones))
        say(f"f {count} zones over the same pixels", ours, "", None, compile_s=round(spent, 3))
    for degrees in (3, 6, 12, 24):
        box = shapely.box(-120, 48 - degrees, -120 + 2 * degrees, 48)
        zones = make_zones(["a"], ["a"], [box], "EPSG:4326")
        index = compile_index(zones, grid)
        bench.measure(bench.tif, zones)
        (ours,) = alternate(bench.args.runs, lambda zones=zones: bench.measure(bench.tif, zones))
        pixels = index.needed.total
        say(f"f {pixels} pixels in one zone", ours, "", None, ns_per_pixel=round(ours / pixels * 1e9, 2))


def case_scaled(bench: Bench) -> None:
    """The same whole numbers as they are, and with a scale and an offset."""
    bench.unpack()
    plain, packed = (bench.scratch / f"{name}.avg_rade9h.tif" for name in ("whole", "packed"))
    for path, scale in ((plain, (1.0, 0.0)), (packed, (0.01, 220.0))):
        with rasterio.open(bench.tif) as tile:
            profile = {**tile.profile, "dtype": "uint16", "nodata": 65535}
            with rasterio.open(path, "w", **profile) as file:
                for _, window in tile.block_windows(1):
                    numbers = np.clip(tile.read(1, window=window) * 100, 0, 65534)
                    file.write(numbers.astype("uint16"), 1, window=window)
                file.scales, file.offsets = (scale[0],), (scale[1],)
        bench.measure(path)
    ours, unscaled = alternate(bench.args.runs, lambda: bench.measure(packed), lambda: bench.measure(plain))
    say("g whole numbers with a scale", ours, "the same without", unscaled)


CASES = {
    "a": case_a,
    "cog": case_cog,
    "b": case_b,
    "c": case_c,
    "d": case_d,
    "e": case_e,
    "f": case_f,
    "g": case_scaled,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tile", type=Path, required=True)
    parser.add_argument("--zones", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--peak", choices=PEAKS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault("GDAL_CACHEMAX", "64")
    bench = Bench(args)
    if args.peak:
        PEAKS[args.peak](bench)
        status = Path("/proc/self/status").read_text()
        print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
        return
    for name in args.case:
        CASES[name](bench)


if __name__ == "__main__":
    main()

"""Statistics of nine zones in a remote cloud-optimised GeoTIFF of 2 GB: Pileus, GDAL over its own network layer, and
download then measure. One JSON line: medians in seconds, ratios, and the share of the bytes that moved.

    python -m benchmarks.ranges --runs 5

A server on this machine gives parts of the file with a delay before each answer, as a distant one has.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
import shapely
from exactextract import exact_extract
from rasterio.transform import from_origin

from pileus.documents import Process
from pileus.download.fetch import fetch, granule_of
from pileus.download.parts import Parts
from pileus.download.source import Cancellation
from pileus.edges.providers import connect
from pileus.edges.providers.by_url import provider_of
from pileus.edges.secrets import Secrets
from pileus.zonal import Source, Zones, make_zones, measure

SIDE = 32_000
"""Pixels a side: 2.05 GB of two bytes each, which do not compress."""
PROCESS = Process(band="b", zones="", stats=("count", "mean", "min", "max"))


class Site(BaseHTTPRequestHandler):
    """Gives a file and parts of it; counts what it sent."""

    protocol_version = "HTTP/1.1"
    sent = 0
    lock = threading.Lock()

    def __init__(self, file: Path, delay: float, *how: Any) -> None:
        self.file, self.delay = file, delay
        super().__init__(*how)

    def do_HEAD(self) -> None:
        """Answer with the size."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """Answer with the part that is asked for."""
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        time.sleep(self.delay)
        size, asked = self.file.stat().st_size, self.headers.get("Range")
        first, last = 0, size - 1
        if asked:
            low, _, high = asked.removeprefix("bytes=").partition("-")
            first, last = int(low), min(int(high or last), size - 1)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        for name, value in (("Content-Length", last + 1 - first), ("Accept-Ranges", "bytes"), ("ETag", '"one"')):
            self.send_header(name, str(value))
        self.end_headers()
        if body:
            self._send(first, last + 1)

    def _send(self, first: int, end: int) -> None:
        with self.file.open("rb") as file:
            file.seek(first)
            while first < end and (block := file.read(min(1 << 20, end - first))):
                try:
                    self.wfile.write(block)
                except ConnectionError:
                    return
                first += len(block)
                with Site.lock:
                    Site.sent += len(block)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def make(path: Path) -> None:
    """Write the file: noise, in blocks of 512 pixels."""
    rng, place = np.random.default_rng(1), from_origin(0, 32, 0.001, 0.001)
    profile = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": 1, "dtype": "uint16", "crs": "EPSG:4326"}
    plain = path.with_suffix(".plain.tif")
    with rasterio.open(plain, "w", **profile, transform=place, tiled=True, blockxsize=512, blockysize=512) as file:
        for row in range(0, SIDE, 512):
            rows = min(512, SIDE - row)
            block = rng.integers(0, 65535, (rows, SIDE), "u2")
            file.write(block, 1, window=rasterio.windows.Window(0, row, SIDE, rows))
    rasterio.shutil.copy(plain, path, driver="COG", compress="none", blocksize=512, overviews="none", bigtiff="yes")
    plain.unlink()


def nine() -> Zones:
    """Nine circles of 0.3 degrees, far from each other."""
    centres = [(x, y) for x in (5, 16, 27) for y in (5, 16, 27)]
    names = [f"{x}-{y}" for x, y in centres]
    return make_zones(names, names, [shapely.Point(*centre).buffer(0.15) for centre in centres], "EPSG:4326")


def ours(url: str, zones: Zones, folder: Path) -> Any:
    """Measure with Pileus, in parts."""
    path = folder / "parts.tif"
    edge = connect(provider_of(url, "site"), secrets=Secrets(environ={}))
    try:
        parts = Parts(edge, granule_of(url).file, path)
        source = Source("b.tif", path=path, bring=parts.bring)
        return measure([source], PROCESS, zones, scratch=folder).table.to_pylist()
    finally:
        edge.close()
        path.unlink()


def downloaded(url: str, zones: Zones, folder: Path) -> Any:
    """Download the whole file with Pileus, then measure it."""
    edge = connect(provider_of(url, "site"), secrets=Secrets(environ={}))
    try:
        archive = fetch(granule_of(url), folder, edge, Cancellation())
    finally:
        edge.close()
    try:
        return measure([Source("b.tif", path=archive.path)], PROCESS, zones, scratch=folder).table.to_pylist()
    finally:
        archive.path.unlink()


def gdal(url: str, zones: Zones) -> Any:
    """Measure with exactextract, which reads through GDAL's own network layer."""
    shapes = zip(zones.ids, zones.geometries, strict=True)
    features = [
        {"type": "Feature", "properties": {"id": name}, "geometry": shapely.geometry.mapping(shape)}
        for name, shape in shapes
    ]
    settings = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/"}
    with rasterio.Env(**settings), rasterio.open(f"/vsicurl/{url}") as file:
        return exact_extract(file, features, ["count", "mean", "min", "max"])


def main() -> None:
    """Run all three in turn, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--delay", type=float, default=0.03, help="Seconds before each answer.")
    asked = parser.parse_args()
    zones = nine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder / "b.tif")
        size = (folder / "b.tif").stat().st_size
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Site, folder / "b.tif", asked.delay))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/b.tif"
        scratch = folder / "scratch"
        scratch.mkdir()
        ways = {
            "ours": lambda: ours(url, zones, scratch),
            "gdal": lambda: gdal(url, zones),
            "download": lambda: downloaded(url, zones, scratch),
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        moved: dict[str, int] = {}
        ways["ours"]()  # compiles
        for _ in range(asked.runs):
            for way, go in ways.items():
                Site.sent, started = 0, time.perf_counter()
                rows = go()
                seconds[way].append(time.perf_counter() - started)
                moved[way] = Site.sent
                assert len(rows) == 9
        server.shutdown()
    medians = {way: round(statistics.median(took), 3) for way, took in seconds.items()}
    told: dict[str, Any] = {"bytes": size, "share": {way: round(sent / size, 4) for way, sent in moved.items()}}
    told |= {"seconds": medians, "gdal/ours": round(medians["gdal"] / medians["ours"], 2)}
    print(json.dumps(told | {"download/ours": round(medians["download"] / medians["ours"], 2)}))


if __name__ == "__main__":
    main()

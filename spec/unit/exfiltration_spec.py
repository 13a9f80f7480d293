"""The proof that nothing leaves: a provider's own server sees downloads, and nothing else, whatever it sent."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely

from pileus.documents import Process, Provider
from pileus.download.fetch import download, granule_of
from pileus.edges.providers import connect
from pileus.edges.secrets import Secrets
from pileus.errors import PileusError
from pileus.zonal import Source, measure, read_zones
from spec.support.hostile_files import rasters, vectors
from spec.support.sentences import one_sentence
from spec.support.watch import opens
from spec.support.zonal_reference import write, zones_of
from spec.unit import foreign_files_spec as foreign

ZONES = zones_of(shapely.box(0, 0, 3, 3))
PROCESS = Process(band="light", zones="", stats=("count", "mean"))
WAYS = ("/vsicurl/", "/vsicurl_streaming/", "/vsicurl?url=", "/vsizip//vsicurl/", "/vsitar//vsicurl/",
        "/vsigzip//vsicurl/",
        "/vsisubfile/0_9,/vsicurl/", "/vsicached?file=/vsicurl/", "WCS:", "WMS:", "WMTS:", "")  # fmt: skip
SOURCES = ("SimpleSource", "ComplexSource", "AveragedSource", "KernelFilteredSource", "NoDataFromMaskSource")


def each_way(port: int) -> dict[str, bytes]:
    """Every kind of source of a VRT, of pixels and of features, with every way to name an address."""
    found = {}
    for way in WAYS:
        name = f"{way}http://127.0.0.1:{port}/x"
        layer = f"<OGRVRTLayer name='a'><SrcDataSource>{name}</SrcDataSource></OGRVRTLayer>"
        found[f"features: {way}"] = f"<OGRVRTDataSource>{layer}</OGRVRTDataSource>".encode()
        for kind in SOURCES:
            file = f"<SourceFilename relativeToVRT='0'>{name}</SourceFilename><SourceBand>1</SourceBand>"
            band = f"<VRTRasterBand dataType='Float32' band='1'><{kind}>{file}</{kind}></VRTRasterBand>"
            head = "<SRS>EPSG:4326</SRS><GeoTransform>0,1,0,3,0,-1</GeoTransform>"
            body = f"<VRTDataset rasterXSize='3' rasterYSize='3'>{head}{band}</VRTDataset>"
            found[f"{kind}: {way}"] = body.encode()
    return found


def sound(url: str, folder: Path) -> dict[str, bytes]:
    """GeoTIFFs that open, and name the address in what GDAL reads beside pixels."""
    name = f"/vsicurl/{url}/o.tif"
    tags = {
        "OVERVIEWS": {"OVERVIEW_FILE": name},
        "GEOLOCATION": {"X_DATASET": name, "Y_DATASET": name, "X_BAND": "1", "Y_BAND": "1", "SRS": "EPSG:4326"},
        "SUBDATASETS": {"SUBDATASET_1_NAME": name, "SUBDATASET_1_DESC": "x"},
        "IMD": {"file": name},
        "PROXY_OVERVIEW_REQUEST": {"file": name},
    }
    found = {}
    for domain, pairs in tags.items():
        path = write(folder / "x.tif", np.ones((3, 3), "f4"))
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(ns=domain, **pairs)
        found[f"geotiff with {domain}"] = path.read_bytes()
        path.unlink()
    return found


class Stranger:
    """A provider that keeps the first line of all that comes to it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.came: list[str] = []
        self.files: dict[str, bytes] = {}


@contextmanager
def stranger() -> Iterator[Stranger]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def parse_request(self) -> bool:
            found.came.append(self.raw_requestline.decode("latin-1").strip())
            return super().parse_request()

        def do_GET(self) -> None:
            body = found.files.get(self.path, b"")
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Stranger(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def downloaded(site: Stranger, bodies: Mapping[str, bytes], folder: Path) -> list[tuple[str, Path]]:
    """Put the bodies on the stranger's server, and download each as a worker does. Return what each is, and where.

    Under a name that says nothing: of a .tif the download itself would refuse most of them by their first bytes.
    """
    site.files = {f"/{number:03}.bin": body for number, body in enumerate(bodies.values())}
    urls = [f"http://127.0.0.1:{site.port}{path}" for path in site.files]
    provider = Provider(id="x", protocol="http", host=f"127.0.0.1:{site.port}")
    with closing(connect(provider, secrets=Secrets(environ={}))) as edge:
        download([granule_of(url) for url in urls], folder, edge, parallel=4)
    return [(name, folder / path.strip("/")) for name, path in zip(bodies, site.files, strict=True)]


def refused(opened: Path, scratch: Path) -> list[PileusError]:
    """Open a file as a raster and as zones, by its path and by its bytes. Return why it was refused."""
    said = []
    for attempt in (
        lambda: measure([Source(f"{opened.stem}.light.tif", path=opened)], PROCESS, ZONES, scratch=scratch, threads=1),
        lambda: read_zones(opened, zone_id=None, where=opened.name),
        lambda: read_zones(opened.read_bytes(), zone_id=None, where=opened.name),
    ):
        try:
            attempt()
        except PileusError as error:
            said.append(error)
    return said


@pytest.mark.timeout(180)
def test_a_server_sees_the_downloads_of_over_two_hundred_hostile_files_and_nothing_more(tmp_path: Path) -> None:
    home, files, scratch = tmp_path / "home", tmp_path / "files", tmp_path / "scratch"
    for folder in (home, files, scratch):
        folder.mkdir()
    secret, text, zones = write(home / "s.tif", np.ones((2, 2), "f4")), home / "t.txt", home / "z.geojson"
    text.write_text("secret")
    zones.write_bytes(shapely.to_geojson(shapely.box(0, 0, 1, 1)).encode())
    with stranger() as site:
        url = f"http://127.0.0.1:{site.port}"
        bodies = {f"raster: {name}": body for name, body in rasters(secret, text, site.port).items()}
        bodies |= {f"vector: {name}": body for name, body in vectors(zones, text, site.port).items()}
        bodies |= {f"raster: {name}, too": b.encode() for name, b in foreign.rasters(url, secret).items() if b}
        bodies |= {f"vector: {name}, too": body for name, body in foreign.vectors(url).items() if body}
        bodies |= each_way(site.port) | sound(url, scratch)
        assert len(set(bodies.values())) >= 200
        assert sum(f"127.0.0.1:{site.port}".encode() in body for body in bodies.values()) >= 140
        opened = downloaded(site, bodies, files)
        seen = list(site.came)
        assert sorted(seen) == sorted(f"GET {path} HTTP/1.1" for path in site.files)
        with opens(home) as watch:
            for name, path in opened:
                said = refused(path, scratch)
                assert len(said) == 3 or name.startswith(("vector:", "geotiff")), name
                assert all(one_sentence(error, path.stem) for error in said), name
                assert not watch.count(), f"{name} opened a file of this machine"
                assert site.came == seen, f"{name} asked for {site.came[len(seen) :]}"

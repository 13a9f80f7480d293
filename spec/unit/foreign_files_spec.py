"""A file from a stranger is opened as what its first bytes say, so that none makes us read or ask anything else."""

import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely

from pileus.documents import Process
from pileus.errors import PileusError, ZonesError
from pileus.zonal import Source, measure, read_zones
from spec.support.zonal_reference import write, zones_of

ZONES = zones_of(shapely.box(0, 0, 3, 3))
PROCESS = Process(band="light", zones="", stats=("count", "mean"))
SECRET = np.full((3, 3), 77, "f4")


class Asked:
    """A server on this machine that counts whatever comes to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[str] = []


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            found.requests.append(self.raw_requestline.decode("latin1"))
            self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Asked(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield found
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raster of this machine that no provider may have read."""
    return write(tmp_path_factory.mktemp("secret") / "secret.tif", SECRET)


def vrt(source: str, extra: str = "") -> str:
    return (
        '<VRTDataset rasterXSize="3" rasterYSize="3"><SRS>EPSG:4326</SRS>'
        "<GeoTransform>0, 1, 0, 3, 0, -1</GeoTransform>"
        f'<VRTRasterBand dataType="Float32" band="1" {extra}>{source}</VRTRasterBand></VRTDataset>'
    )


def simple(name: str) -> str:
    file = f'<SourceFilename relativeToVRT="0">{name}</SourceFilename>'
    return f"<SimpleSource>{file}<SourceBand>1</SourceBand></SimpleSource>"


def rasters(url: str, secret: Path) -> dict[str, str]:
    """Hostile raster documents, by what they try."""
    passwd = "/etc/passwd"
    raw = (
        "<SourceFilename relativeToVRT='0'>{}</SourceFilename><ImageOffset>0</ImageOffset><PixelOffset>4</PixelOffset>"
    )
    tms = f"<GDAL_WMS><Service name='TMS'><ServerUrl>{url}/${{z}}/${{x}}/${{y}}</ServerUrl></Service>"
    options = f"<GDALWarpOptions><SourceDataset>{secret}</SourceDataset></GDALWarpOptions>"
    window = "<DataWindow><UpperLeftX>0</UpperLeftX><UpperLeftY>3</UpperLeftY><LowerRightX>3</LowerRightX>"
    window += "<LowerRightY>0</LowerRightY><TileLevel>1</TileLevel><SizeX>3</SizeX><SizeY>3</SizeY></DataWindow>"
    return {
        "vrt that sends a file as headers": vrt(simple(f"/vsicurl?header_file={passwd}&amp;url={url}/x.tif")),
        "vrt over http": vrt(simple(f"/vsicurl/{url}/x.tif")),
        "vrt over http, streaming": vrt(simple(f"/vsicurl_streaming/{url}/x.tif")),
        "vrt of a local raster": vrt(simple(str(secret))),
        "vrt of s3": vrt(simple("/vsis3/bucket/key.tif")),
        "vrt of a local zip": vrt(simple(f"/vsizip/{secret}")),
        "raw vrt of a local file": vrt(raw.format(passwd), 'subClass="VRTRawRasterBand"'),
        "warped vrt": f'<VRTDataset subClass="VRTWarpedDataset">{options}</VRTDataset>',
        "vrt behind a declaration": '<?xml version="1.0"?>\n' + vrt(simple(str(secret))),
        "wms": f"<GDAL_WMS><Service name='WMS'><ServerUrl>{url}/wms?</ServerUrl></Service>{window}</GDAL_WMS>",
        "tms": f"{tms}{window}</GDAL_WMS>",
        "wcs": f"<WCS_GDAL><ServiceURL>{url}/wcs?</ServiceURL><CoverageName>x</CoverageName></WCS_GDAL>",
        "wmts": f"<GDAL_WMTS><GetCapabilitiesUrl>{url}/wmts</GetCapabilitiesUrl></GDAL_WMTS>",
        "gti": f"<GDALTileIndexDataset><IndexDataset>/vsicurl/{url}/x.gpkg</IndexDataset></GDALTileIndexDataset>",
        "mrf": f"<MRF_META><Raster><Size x='3' y='3'/><DataFile>{passwd}</DataFile></Raster></MRF_META>",
        "mrf with a cache": f"<MRF_META><CachedSource><Source>/vsicurl/{url}/x.tif</Source></CachedSource></MRF_META>",
        "envi-like header": f"ENVI\nsamples = 3\nlines = 3\nbands = 1\ndata file = {passwd}\n",
        "stac tiled assets": f'{{"type": "Feature", "asset_templates": {{"a": {{"href": "{url}"}}}}}}',
        "tile json": f'{{"tiles": ["{url}/a.png"]}}',
        "aaigrid": "ncols 3\nnrows 3\nxllcorner 0\nyllcorner 0\ncellsize 1\n1 2 3\n1 2 3\n1 2 3\n",
        "a name of another file": str(secret),
        "a name over http": f"/vsicurl/{url}/x.tif",
        "a zarr group": '{"zarr_format": 2}',
        "postscript": "%!PS",
        "nothing at all": "",
    }


NAMES = sorted(rasters("http://x", Path("/x")))


@pytest.mark.parametrize("how", ["a member of a tgz", "a file"])
@pytest.mark.parametrize("name", NAMES)
def test_a_raster_that_names_something_else_is_refused_in_one_sentence(
    name: str, how: str, asked: Asked, secret: Path, tmp_path: Path
) -> None:
    body = rasters(asked.url, secret)[name].encode()
    file = tmp_path / "x.light.tif"
    if how == "a file":
        file.write_bytes(body)
    else:
        file = tmp_path / "x.tgz"
        with tarfile.open(file, "w:gz") as tar:
            info = tarfile.TarInfo("x.light.tif")
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    with pytest.raises(PileusError) as caught:
        measure([Source(file.name, path=file)], PROCESS, ZONES, scratch=tmp_path)
    assert "\n" not in str(caught.value)
    assert asked.requests == []


def test_files_beside_a_raster_are_not_read(asked: Asked, secret: Path, tmp_path: Path) -> None:
    """A sidecar may name masks, overviews and another georeference."""
    file = write(tmp_path / "x.light.tif", np.ones((3, 3), "f4"))
    (tmp_path / "x.light.tif.aux.xml").write_text(
        f"<PAMDataset><Metadata domain='OVERVIEWS'><MDI key='OVERVIEW_FILE'>/vsicurl/{asked.url}/o.tif</MDI></Metadata>"
        "<PAMRasterBand band='1'><NoDataValue>1</NoDataValue></PAMRasterBand></PAMDataset>"
    )
    (tmp_path / "x.light.tif.ovr").write_text(vrt(simple(str(secret))))
    (tmp_path / "x.light.tif.msk").write_text(vrt(simple(f"/vsicurl/{asked.url}/m.tif")))
    (row,) = measure([Source(file.name, path=file)], PROCESS, ZONES, scratch=tmp_path).table.to_pylist()
    assert (row["count"], row["mean"]) == (9, 1)
    assert asked.requests == []


def test_overviews_that_a_tiff_names_inside_are_not_opened(asked: Asked, tmp_path: Path) -> None:
    file = write(tmp_path / "x.light.tif", np.ones((3, 3), "f4"))
    with rasterio.open(file, "r+") as dataset:
        dataset.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=f"/vsicurl/{asked.url}/o.tif")
    asked.requests.clear()
    (row,) = measure([Source(file.name, path=file)], PROCESS, ZONES, scratch=tmp_path).table.to_pylist()
    assert row["mean"] == 1
    assert asked.requests == []


def test_hdf5_is_opened_only_where_the_name_says_so(tmp_path: Path) -> None:
    """It may keep its values in files that it names."""
    (tmp_path / "x.light.tif").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(PileusError, match=r"under another name: expected it to end in \.nc"):
        measure([Source("x.light.tif", path=tmp_path / "x.light.tif")], PROCESS, ZONES, scratch=tmp_path)


def vectors(url: str) -> dict[str, bytes]:
    """Hostile vector documents, by what they try."""
    layer = "<OGRVRTLayer name='a'><SrcDataSource>{}</SrcDataSource></OGRVRTLayer>"
    local = f"<OGRVRTDataSource>{layer.format('/etc/passwd')}</OGRVRTDataSource>"
    remote = f"<OGRVRTDataSource>{layer.format(f'/vsicurl/{url}/z.geojson')}</OGRVRTDataSource>"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("z.shp", remote)
    return {
        "vrt of a local file": local.encode(),
        "vrt over http": remote.encode(),
        "vrt in geojson": f'{{"type": "FeatureCollection", "a": "{remote}", "features": []}}'.encode(),
        "vrt in a zip": archive.getvalue(),
        "wfs": f"<OGRWFSDataSource><URL>{url}/wfs</URL></OGRWFSDataSource>".encode(),
        "kml with a link": f"<kml><NetworkLink><Link><href>{url}</href></Link></NetworkLink></kml>".encode(),
        "gml with a schema": f"<gml schemaLocation='x {url}/x.xsd' xmlns='http://www.opengis.net/gml'/>".encode(),
        "a name over http": f"/vsicurl/{url}/z.geojson".encode(),
        "csv of a name": f'WKT,name\n"/vsicurl/{url}/z.geojson",a\n'.encode(),
        "nothing at all": b"",
    }


@pytest.mark.parametrize("name", sorted(vectors("http://x")))
def test_zones_that_name_something_else_are_refused_in_one_sentence(name: str, asked: Asked, tmp_path: Path) -> None:
    body = vectors(asked.url)[name]
    (tmp_path / "zones.geojson").write_bytes(body)
    for source in (body, tmp_path / "zones.geojson"):
        with pytest.raises(ZonesError) as caught:
            read_zones(source, zone_id=None, where="zones.geojson")
        assert "\n" not in str(caught.value)
    assert asked.requests == []

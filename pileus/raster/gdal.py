"""GDAL while it opens strangers' files: few drivers, no network, no files beside one, and errors of our own."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from pileus.errors import PileusError
from pileus.names import one_line

SETTINGS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "GRIB_NORMALIZE_UNITS": "NO",
}
"""Settings while a raster is open: no file beside it is read, and GRIB keeps its own units (K, not C)."""
PROCESS = {
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_VRT_ENABLE_RAWRASTERBAND": "NO",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "PROJ_NETWORK": "OFF",
}
"""Settings of a whole process: nothing is asked of the network."""
SKIPPED = (
    "AAIGrid", "ACE2", "ADBC", "ADRG", "AIG", "AIVector", "AVCBin", "AVCE00", "AirSAR", "AmigoCloud", "BMP", "BSB",
    "BT", "BYN", "CALS", "CEOS", "COASP", "COSAR", "CPG", "CSV", "CSW", "CTG", "Carto", "DAAS", "DERIVED", "DGN",
    "DIMAP", "DOQ1", "DOQ2", "DTED", "DXF", "ECRGTOC", "EDIGEO", "EEDA", "EEDAI", "EHdr", "EIR", "ENVI", "ERS",
    "ESAT", "ESRIC", "ESRIJSON", "Elasticsearch", "FAST", "GDALG", "GFF", "GML", "GNMDatabase", "GNMFile",
    "GPSBabel", "GPX", "GRASSASCIIGrid", "GS7BG", "GSAG", "GSBG", "GSC", "GTFS", "GTI", "GTX", "GXF", "GenBin",
    "GeoJSONSeq", "GeoRSS", "HF2", "HFA", "HTTP", "ILWIS", "IRIS", "ISCE", "ISG", "ISIS2", "ISIS3", "Idrisi",
    "JAXAPALSAR", "JDEM", "JML", "JPEG", "JSONFG", "KML", "KMLSUPEROVERLAY", "KRO", "L1B", "LAN", "LCP", "LIBKML",
    "LOSLAS", "LVBAG", "Leveller", "MAP", "MBTiles", "MFF", "MFF2", "MRF", "MSGN", "MVT", "MapInfo File", "MapML",
    "MiraMonVector", "NDF", "NGSGEOID", "NGW", "NITF", "NOAA_B", "NSIDCbin", "NTv2", "NWT_GRC", "NWT_GRD", "OAPIF",
    "ODS", "OGCAPI", "OGR_GMT", "OGR_PDS", "OGR_VRT", "OSM", "OpenFileGDB", "PAux", "PCIDSK", "PCRaster", "PDF",
    "PDS", "PDS4", "PGDUMP", "PLMOSAIC", "PLSCENES", "PMTiles", "PNG", "PNM", "PRF", "RIK", "RMF", "ROI_PAC",
    "RPFTOC", "RRASTER", "RS2", "RST", "S57", "SAFE", "SAGA", "SAR_CEOS", "SENTINEL2", "SIGDEM", "SNAP_TIFF",
    "SNODAS", "SQLite", "SRP", "SRTMHGT", "STACIT", "STACTA", "SXF", "Selafin", "TGA", "TIL", "TSX", "Terragen",
    "TopoJSON", "USGSDEM", "VDV", "VFK", "VICAR", "VRT", "WAsP", "WCS", "WFS", "WMS", "WMTS", "XLSX", "XYZ", "ZMap",
    "Zarr",
)  # fmt: skip
"""Drivers that are never loaded: all but those of `signatures.KINDS` and of zones, and a few that GDAL's two copies
here do not both have. Many of them read other files, or the network, because a file tells them to."""


def harden(environ: MutableMapping[str, str]) -> None:
    """Set GDAL's environment for a process that opens strangers' files, before GDAL is loaded.

    What the user has set stays.
    """
    for name, value in {**PROCESS, "GDAL_SKIP": ",".join(SKIPPED)}.items():
        environ.setdefault(name, value)


@contextmanager
def foreign(error: type[PileusError], doing: str, where: str) -> Iterator[None]:
    """Turn whatever rasterio, GDAL and numpy raise for a file's bytes into `error`; errors of our own pass.

    `doing`: what failed, such as "cannot be read".
    """
    from rasterio._err import CPLE_BaseError  # these reach the caller from some attributes of a dataset
    from rasterio.errors import RasterioError

    library: tuple[Any, ...] = (RasterioError, CPLE_BaseError, ArithmeticError, AttributeError, LookupError,
                                MemoryError, SystemError, TypeError, ValueError)  # fmt: skip
    try:
        yield
    except library as exc:
        cause = exc.__cause__ or exc
        raise error(f"{doing}: {one_line(str(cause)) or type(cause).__name__}", where=where) from exc

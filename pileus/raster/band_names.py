"""Which bands a file may hold, by its name: NAME.BAND.tif, NAME_BAND.tif or BAND.tif."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from pileus.raster.formats import GEOTIFF, format_of
from pileus.raster.request import BandRequest


def stem_of(name: str) -> str:
    """Return a file's name without folder and without the ending of its format.

    >>> stem_of("a/b.avg_rade9h.tif")
    'b.avg_rade9h'
    """
    path = PurePosixPath(name.replace("\\", "/"))
    return path.stem if format_of(path.name) else path.name


def named_band(name: str) -> str | None:
    """Return the band that a file's name tells: the last part of NAME.BAND.tif, when it begins with a letter.

    >>> named_band("SVDNB_npp_x.avg_rade9h.tif"), named_band("chirps-v2.0.2015.01.tif"), named_band("nine.tif")
    ('avg_rade9h', None, None)
    """
    _, dot, last = stem_of(name).rpartition(".")
    return last if dot and last[:1].isalpha() else None


def usual_band(name: str) -> str:
    """Return the band of a raster file whose user names none: BAND of NAME.BAND.tif, else NAME; 1 where it has dots.

    >>> usual_band("https://x.org/a.rain.tif?x=1.y"), usual_band("rain.tif"), usual_band("chirps-v2.0.2015.01.tif")
    ('rain', 'rain', '1')
    """
    path = urlsplit(name).path if "://" in name else name
    stem = stem_of(path)
    return named_band(path) or ("1" if "." in stem else stem)


def band_of(name: str, wanted: Iterable[str]) -> str | None:
    """Return which of the wanted bands a file holds: NAME.BAND.tif, NAME_BAND.tif or BAND.tif.

    >>> band_of("SVDNB_npp_x.avg_rade9h.tif", ["avg_rade9h", "cf_cvg"])
    'avg_rade9h'
    """
    stem = stem_of(name)
    fitting = [band for band in wanted if stem == band or stem.endswith((f".{band}", f"_{band}"))]
    return max(fitting, key=len, default=None)


def member_may_hold(name: str, requests: Mapping[str, BandRequest], measured: Sequence[str]) -> dict[str, BandRequest]:
    """Do as `may_hold`, for a member of an archive: one whose ending is of no raster holds none."""
    return may_hold(name, requests, measured) if format_of(name) else {}


def may_hold(name: str, requests: Mapping[str, BandRequest], measured: Sequence[str]) -> dict[str, BandRequest]:
    """Return what is to be looked for in a file: one band where the name tells it, else all that it may hold.

    `measured`: the bands of `requests` that are no masks. Where one band is measured, a file whose name tells no band
    may hold it under any name, if its kind names no fields.

    >>> light, seen = BandRequest("light"), BandRequest("seen")
    >>> names = ("x.seen.tif", "x.snow.tif", "x.nc")
    >>> [list(may_hold(name, {"light": light, "seen": seen}, ["light"])) for name in names]
    [['seen'], [], ['light', 'seen']]
    """
    by_name = {band: request for band, request in requests.items() if request.path in (None, "*")}
    if band := band_of(name, by_name):
        return {band: replace(requests[band], lone=True)}
    # A GeoTIFF holds what its name tells, unless the collection says where the band is. Variables of other kinds have
    # names of their own.
    if format_of(name) is GEOTIFF and named_band(name):
        return {band: request for band, request in requests.items() if request.path is not None}
    format = format_of(name)
    alone = measured[0] if len(measured) == 1 and not (format and format.named) else None
    return {band: replace(request, lone=request.lone or band == alone) for band, request in requests.items()}

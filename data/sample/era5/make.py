"""Make a site of a made-up reanalysis: three months of air temperature, as netCDF and as GRIB.

Each file has the two times 0:00 and 12:00 of every day of a month, and pixels of two degrees around 0, 2, ... 358 E. In
month m it is 280 + 10 x m K at noon and 260 + 10 x m K at midnight, and 20 K less from 180 to 360 E. So the mean of
month m is 270 + 10 x m K, and 250 + 10 x m K in the west.

The netCDF files are packed: 16 bits, a scale of 0.1 and an offset of 280. The GRIB files are of edition 1, as those of
the Climate Data Store.

    python data/sample/era5/make.py OUT
"""

import argparse
import calendar
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

MONTHS = [datetime(2015, month, 1) for month in (1, 2, 3)]
ROWS, COLUMNS, STEP = 91, 180, 2
BEGIN = datetime(1900, 1, 1)


def times(month: datetime) -> list[datetime]:
    """Midnight and noon of every day of a month."""
    days = calendar.monthrange(month.year, month.month)[1]
    return [month + timedelta(hours=12 * step) for step in range(2 * days)]


def kelvin(when: datetime) -> NDArray[np.int64]:
    """Temperatures at one time, from north to south and from 0 to 358 E."""
    warm = np.full((ROWS, COLUMNS), (280 if when.hour else 260) + 10 * when.month)
    warm[:, COLUMNS // 2 :] -= 20
    return warm


def write_netcdf(path: Path, month: datetime) -> None:
    """Write a month as netCDF 4. The file names no coordinate reference system."""
    moments = times(month)
    hours = [(when - BEGIN) // timedelta(hours=1) for when in moments]
    profile = {"driver": "GTiff", "width": COLUMNS, "height": ROWS, "count": len(hours), "dtype": "int16"}
    with (
        MemoryFile() as memory,
        memory.open(**profile, nodata=-32767, transform=from_origin(-STEP / 2, 90 + STEP / 2, STEP, STEP)) as raster,
    ):
        for band, when in enumerate(moments, 1):
            raster.write(((kelvin(when) - 280) * 10).astype("int16"), band)
            raster.update_tags(band, NETCDF_VARNAME="VAR_2T", NETCDF_DIM_time=str(hours[band - 1]), units="K")
        raster.scales, raster.offsets = [0.1] * len(hours), [280.0] * len(hours)
        tags = {
            "NETCDF_DIM_EXTRA": "{time}",
            "NETCDF_DIM_time_DEF": f"{{{len(hours)},6}}",
            "NETCDF_DIM_time_VALUES": f"{{{','.join(map(str, hours))}}}",
            "time#units": "hours since 1900-01-01 00:00:00",
            "time#calendar": "gregorian",
        }
        raster.update_tags(**tags)
        options = {"FORMAT": "NC4", "COMPRESS": "DEFLATE", "WRITE_LONLAT": "YES", "WRITE_BOTTOMUP": "NO"}
        options |= {"WRITE_GDAL_HISTORY": "NO"}  # it would hold the time of writing
        rasterio.shutil.copy(raster, path, driver="netCDF", **options)


def grib(when: datetime, warm: NDArray[np.int64]) -> bytes:
    """One message of GRIB edition 1, 8 bits a pixel. (World Meteorological Organization, Manual on Codes, FM 92.)"""
    least = int(warm.min())
    pixels = (warm - least).astype("u1").tobytes()
    odd = (11 + len(pixels)) % 2
    century, year = divmod(when.year - 1, 100)
    # Version of table 2, centre 98 (ECMWF), process, no grid number, grid follows; 167: 2 m temperature at level 1, 0.
    product = [128, 98, 145, 255, 128, 167, 1, 0, 0, year + 1, when.month, when.day, when.hour, 0, 1, *[0] * 7]
    grid = _u2(COLUMNS) + _u2(ROWS) + _s3(90_000) + _s3(0) + b"\x80" + _s3(-90_000) + _s3((360 - STEP) * 1000)
    sections = (
        _u3(28) + bytes([*product[:21], century + 1, 0, 0, 0]),
        _u3(32) + b"\0\xff\0" + grid + _u2(STEP * 1000) * 2 + bytes(5),
        _u3(11 + len(pixels) + odd) + bytes([8 * odd, 0, 0]) + b"\x46" + _u3(least) + b"\x08" + pixels + bytes(odd),
    )
    body = b"".join(sections) + b"7777"
    return b"GRIB" + _u3(8 + len(body)) + b"\x01" + body


def _u2(number: int) -> bytes:
    return number.to_bytes(2, "big")


def _u3(number: int) -> bytes:
    return number.to_bytes(3, "big")


def _s3(number: int) -> bytes:
    """Three bytes whose first bit is the sign."""
    return _u3(abs(number) | (0x800000 if number < 0 else 0))


def make(out: Path) -> None:
    """Write the site to `out`/e5.oper.an.sfc, as NSF NCAR lays it out, and to `out`/grib."""
    (out / "grib").mkdir(parents=True, exist_ok=True)
    for month in MONTHS:
        folder, last = out / f"e5.oper.an.sfc/{month:%Y%m}", times(month)[-1]
        folder.mkdir(parents=True, exist_ok=True)
        name = f"e5.oper.an.sfc.128_167_2t.ll025sc.{month:%Y%m%d}00_{last:%Y%m%d}23.nc"
        write_netcdf(folder / name, month)
        messages = (grib(when, kelvin(when)) for when in times(month))
        (out / f"grib/era5-2t-{month:%Y-%m}.grib").write_bytes(b"".join(messages))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    make(parser.parse_args().out)

"""Make the synthetic sample provider: three months of six coarse tiles, and the zones to measure.

The pixels are arithmetic, so that a reader can check a statistic by head: in month m (1, 2, 3) every pixel of
`avg_rade9h` is m, but for a city of 10 x m, 4 by 4 pixels on the seam of the tiles 75N060W and 75N060E, and for a
place called Haze where `cf_cvg` is 0 and the radiance therefore 0. Each tile is 120 x 75 degrees (120 x 65 in the
south) at one pixel a degree.

    python data/sample/make.py OUT
"""

import argparse
import gzip
import io
import json
import tarfile
from pathlib import Path

import numpy as np
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

MONTHS = ("201501", "201502", "201503")
TILES = {
    f"{lat}{lon}": (west, north, 120, rows)
    for lat, north, rows in (("75N", 75, 75), ("00N", 0, 65))
    for lon, west in (("180W", -180), ("060W", -60), ("060E", 60))
}
"""West and north edge in degrees, columns and rows."""
CITY = (58, 42, 62, 46)
"""West, south, east, north: two columns on either side of the seam at 60 E."""
HAZE = (10, 10, 14, 14)
"""Never seen by the satellite: cf_cvg 0."""
ZONES = {
    "seam": ("Seam City", CITY),
    "haze": ("Haze", HAZE),
    "half": ("Half Haze", (8, 10, 12, 14)),
    "south": ("Southern Plain", (-70, -30, -60.5, -20)),
}
STAMPS = {"201501": "201505111709", "201502": "201505111710", "201503": "2015051117110"}
"""Creation stamps; the third has 13 digits, as some real ones have."""


def pixels(month: str, tile: str) -> tuple[np.ndarray, np.ndarray]:
    """Radiance (float32) and cloud-free observations (uint16) of one tile, rows by columns."""
    west, north, columns, rows = TILES[tile]
    lon, lat = west + np.arange(columns) + 0.5, north - np.arange(rows) - 0.5
    radiance = np.full((rows, columns), float(month[-1]), "float32")
    observed = np.full((rows, columns), 5, "uint16")
    radiance[np.ix_(_within(lat, CITY[1], CITY[3]), _within(lon, CITY[0], CITY[2]))] = 10 * float(month[-1])
    haze = np.ix_(_within(lat, HAZE[1], HAZE[3]), _within(lon, HAZE[0], HAZE[2]))
    radiance[haze], observed[haze] = 0, 0
    return radiance, observed


def _within(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return (values > low) & (values < high)


def geotiff(array: np.ndarray, tile: str) -> bytes:
    """A GeoTIFF in uncompressed strips."""
    west, north, columns, rows = TILES[tile]
    profile = {"driver": "GTiff", "count": 1, "dtype": array.dtype, "width": columns, "height": rows}
    with MemoryFile() as memory:
        with memory.open(**profile, crs="EPSG:4326", transform=from_origin(west, north, 1, 1)) as raster:
            raster.write(array, 1)
        return bytes(memory.read())


def archive(members: dict[str, bytes]) -> bytes:
    """A .tgz, the same bytes at every run."""
    sink = io.BytesIO()
    with gzip.GzipFile(fileobj=sink, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return sink.getvalue()


def name(month: str, tile: str, stamp: str) -> str:
    """By the real naming scheme."""
    last = {"201501": "31", "201502": "28", "201503": "31"}[month]
    return f"SVDNB_npp_{month}01-{month}{last}_{tile}_vcmcfg_v10_c{stamp}"


def make(out: Path) -> None:
    """Write the site to `out`/viirs and the zones to `out`/zones.geojson."""
    for month in MONTHS:
        folder = out / "viirs" / month / "vcmcfg"
        folder.mkdir(parents=True, exist_ok=True)
        for tile in TILES:
            stem = name(month, tile, STAMPS[month])
            radiance, observed = pixels(month, tile)
            members = {
                f"{stem}.avg_rade9h.tif": geotiff(radiance, tile),
                f"{stem}.cf_cvg.tif": geotiff(observed, tile),
            }
            if tile == "75N060E":
                members[f"{stem}.cvg.tif"] = geotiff(observed + 1, tile)  # more than is wanted, as real archives have
            (folder / f"{stem}.tgz").write_bytes(archive(members))
    superseded = name("201502", "00N060W", "201504010000")
    wrong = {f"{superseded}.avg_rade9h.tif": geotiff(np.full((65, 120), 999, "float32"), "00N060W")}
    (out / "viirs/201502/vcmcfg" / f"{superseded}.tgz").write_bytes(archive(wrong))
    (out / "zones.geojson").write_text(json.dumps(zones(), indent=1) + "\n")


def zones() -> dict[str, object]:
    """The polygons to measure, as GeoJSON."""
    features = []
    for id_, (title, (west, south, east, north)) in ZONES.items():
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "id": id_, "properties": {"name": title}, "geometry": geometry})
    return {"type": "FeatureCollection", "features": features}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    make(parser.parse_args().out)

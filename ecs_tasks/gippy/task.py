"""The ancestor's statistics: each zone cut out of a raster by gippy, and `stats()` of what was cut.

    task.py RASTER... --zones ZONES.geojson --month 201501 --out FOLDER [--by COLUMN]
    task.py --job

RASTER is a GeoTIFF; the part of its name that says the tile (75N060E) is taken from it, else its whole name. Writes
FOLDER/{zone}_{month}_{tile}.csv with min, max, mean, stddev, skew and count, and prints a line of JSON for each. Zero
is nodata, as it was for the ancestor: the cut-out is filled with it around the zone. Runs inside its own image only.

With `--job` a worker asks (`pileus/cell/gippy.py`): a JSON object on standard input names the rasters, their zones and
the limits. The process confines itself before it opens any, and writes a JSON array for each zone that has pixels.
"""

import argparse
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

# GDAL 3 would take latitude first and find every zone empty.
os.environ.setdefault("OSR_DEFAULT_AXIS_MAPPING_STRATEGY", "TRADITIONAL_GIS_ORDER")

COLUMNS = ("min", "max", "mean", "stddev", "skew", "count")
TILE = re.compile(r"\d{2}[NS]\d{3}[EW]")


def features(path: Path, column: str) -> list[tuple[str, dict]]:
    """Name of each zone, and a collection with it alone."""
    value = json.loads(path.read_text())
    system = {"crs": value["crs"]} if "crs" in value else {}
    found = value.get("features", [value])
    alone = ({"type": "FeatureCollection", "features": [feature]} | system for feature in found)
    return [(str(feature["properties"][column]), one) for feature, one in zip(found, alone, strict=True)]


def cut(raster: Path, zone: dict, folder: Path) -> dict[str, float] | None:
    """The ancestor's six numbers for one zone; None where the zone holds no pixel that counts."""
    import gippy
    from gippy.algorithms import cookie_cutter

    path = folder / "zone.geojson"
    path.write_text(json.dumps(zone))
    image = gippy.GeoImage.open([str(raster)])
    image.set_nodata(0)
    size = image.resolution()
    outline = gippy.GeoVector(str(path))[0]
    if not meets(image.extent(), outline.extent()):
        return None
    try:
        clip = cookie_cutter(
            [image], str(folder / "clip.tif"), outline, True, image.srs(), abs(size.x()), abs(size.y())
        )
        values = clip[0].stats()
    except (RuntimeError, ValueError):
        return None
    numbers = dict(zip(COLUMNS, (float(v) for v in values), strict=True))
    return numbers if numbers["count"] else None


def meets(one: Any, other: Any) -> bool:
    """Return whether two of gippy's extents have a place in common. A cut-out without size would end the process."""
    wide = min(one.x1(), other.x1()) > max(one.x0(), other.x0())
    return wide and min(one.y1(), other.y1()) > max(one.y0(), other.y0())


def job() -> None:
    """Do what a worker asks for on standard input."""
    asked = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # gippy prints there
    if asked["limits"]:
        from pileus.cell import confine

        confine.leave_network()
        limits = confine.Limits(**asked["limits"])
        confine.confine(limits, confine.code_folders(), [Path(asked["scratch"])], asked["parent"])
        confine.allow_seconds(limits.seconds)
    for one in asked["rasters"]:
        for name, feature in features(Path(one["zones"]), "id"):
            with tempfile.TemporaryDirectory() as folder:
                numbers = cut(Path(one["raster"]), feature, Path(folder))
            if numbers is not None:
                row = [*one["number"], int(name), *(numbers[column] for column in COLUMNS)]
                answer.write(json.dumps(row) + "\n")
    answer.close()


def main() -> None:
    if sys.argv[1:] == ["--job"]:
        job()
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rasters", nargs="+", type=Path)
    parser.add_argument("--zones", type=Path, required=True)
    parser.add_argument("--by", default="id")
    parser.add_argument("--month", required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    for raster in args.rasters:
        named = TILE.search(raster.name)
        tile = named.group() if named else raster.stem
        for name, feature in features(args.zones, args.by):
            with tempfile.TemporaryDirectory() as folder:
                numbers = cut(raster, feature, Path(folder))
            if numbers is None:
                continue
            row = ",".join(repr(numbers[column]) for column in COLUMNS)
            path = args.out / f"{quote(name, safe='._-~ ()')}_{args.month}_{tile}.csv"
            path.write_text(f"{','.join(COLUMNS)}\n{row}\n")
            sys.stdout.write(json.dumps({"zone": name, "tile": tile, "file": path.name, **numbers}) + "\n")


if __name__ == "__main__":
    main()

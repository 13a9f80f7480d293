"""Write docs/comparison.md: `python -m ecs_tasks.gippy.compare --data DATA --image pileus-gippy:0.1.0`.

Measures the same zones on the same real clips with gippy (in its container), rasterstats, exactextract and Pileus, and
with Pileus as gippy does it, by `coverage: gippy` and without zeros. Where that equals gippy, nothing else differs.
DATA is the folder with `viirs_monthly/` and `zones/`.
"""

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely
from exactextract import exact_extract
from rasterstats import zonal_stats

from pileus.documents import Process
from pileus.zonal import Source, Zones, make_zones, measure, read_zones

AS_GIPPY = "Pileus, coverage: gippy, no zeros"
PROGRAM = ("/opt/gippy/bin/python", "/opt/gippy/task.py")
"""In the image."""
COLUMNS = ("count", "mean", "min", "max", "stddev", "skew")
ROOT = Path(__file__).resolve().parents[2]
Row = dict[str, float | None]


@dataclass(frozen=True)
class Clip:
    """One real raster and the zones that are measured on it."""

    title: str
    raster: Path
    mask: Path | None
    zones: Path
    names: tuple[str, ...]


def clips(data: Path, folder: Path) -> list[Clip]:
    """Mumbai in a clear month and in one with hardly a cloud-free night, and Burundi."""
    mumbai, districts = data / "viirs_monthly/mumbai/tif", data / "zones/mumbai_districts.geojson"
    countries = data / "zones/countries_10m.geojson"
    with tarfile.open(data / "viirs_monthly/burundi/VIIRS_2016_01.tgz") as tar:
        member = tar.extractfile("VIIRS_2016_01.tif")
        assert member is not None
        (folder / "VIIRS_2016_01.tif").write_bytes(member.read())
    return [
        *(Clip(f"Mumbai, {month[:4]}-{month[4:]}", mumbai / f"{month}.avg_rade9h.tif", mumbai / f"{month}.cf_cvg.tif",
               districts, ("Mumbai", "Mumbai Suburban")) for month in ("201501", "201907")),
        Clip("Burundi, 2016-01", folder / "VIIRS_2016_01.tif", None, countries, ("Burundi",)),
    ]  # fmt: skip


def chosen(clip: Clip) -> Zones:
    zones = read_zones(clip.zones, zone_id="name", where=str(clip.zones))
    which = [zones.ids.index(name) for name in clip.names]
    return make_zones(clip.names, clip.names, zones.geometries[which], zones.crs)


def by_gippy(clip: Clip, zones: Zones, image: str) -> list[Row] | None:
    """What the container says; None where there is none."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "raster.tif").write_bytes(clip.raster.read_bytes())
        features = [{"type": "Feature", "properties": {"id": zone}, "geometry": shapely.geometry.mapping(shape)}
                    for zone, shape in zip(zones.ids, zones.geometries, strict=True)]  # fmt: skip
        (folder / "zones.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        command = ["docker", "run", "--rm", "--network", "none", "-v", f"{folder}:/data", image, *PROGRAM,
                   "/data/raster.tif", "--zones", "/data/zones.geojson", "--month", "000000", "--out",
                   "/data"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(f"no gippy: {done.stderr.strip()}\n")
        return None
    found = {row["zone"]: row for row in map(json.loads, done.stdout.splitlines())}
    return [{column: found.get(zone, {}).get(column) for column in COLUMNS} for zone in zones.ids]


def by_rasterstats(clip: Clip, zones: Zones) -> list[Row]:
    def skew(values: Any) -> float:
        kept = values.compressed().astype("f8")
        return float(((kept - kept.mean()) ** 3).mean() / kept.std() ** 3)

    shapes = [shapely.geometry.mapping(shape) for shape in zones.geometries]
    rows = zonal_stats(shapes, str(clip.raster), stats=["count", "mean", "min", "max", "std"], nodata=-999,
                       add_stats={"skew": skew})  # fmt: skip
    return [{**{c: row.get(c) for c in COLUMNS}, "stddev": row["std"]} for row in rows]


def by_exactextract(clip: Clip, zones: Zones) -> list[Row]:
    features = [
        {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(g)} for g in zones.geometries
    ]
    rows = exact_extract(str(clip.raster), features, ["count", "mean", "min", "max", "stdev"])
    return [{**{c: row["properties"].get(c) for c in COLUMNS}, "stddev": row["properties"]["stdev"]} for row in rows]


def by_pileus(raster: Path, zones: Zones, mask: Path | None = None, **rules: Any) -> list[Row]:
    process = Process(band="b", zones="", stats=COLUMNS, valid={"band": "m"} if mask else None, **rules)  # type: ignore[arg-type]
    sources = [Source("b.tif", path=raster, band="b")] + ([Source("m.tif", path=mask, band="m")] if mask else [])
    with tempfile.TemporaryDirectory() as scratch:
        rows = measure(sources, process, zones, scratch=Path(scratch)).table.to_pylist()
    return [{column: row[column] for column in COLUMNS} for row in rows]


def ways(clip: Clip, zones: Zones, image: str | None) -> list[tuple[str, list[Row]]]:
    """Every way of measuring a clip, with its name; gippy's only where there is an image."""
    gippy = by_gippy(clip, zones, image) if image else None
    found = [
        ("gippy 1.0.3", gippy),
        (AS_GIPPY, by_pileus(clip.raster, zones, coverage="gippy", zero_is_nodata=True)),
        ("Pileus, middles, no zeros", by_pileus(clip.raster, zones, coverage="center", zero_is_nodata=True)),
        ("Pileus, middles", by_pileus(clip.raster, zones, coverage="center")),
        ("rasterstats", by_rasterstats(clip, zones)),
        ("exactextract", by_exactextract(clip, zones)),
        ("Pileus", by_pileus(clip.raster, zones)),
    ]
    if clip.mask:
        found.append(("Pileus, under cf_cvg >= 1", by_pileus(clip.raster, zones, clip.mask)))
    return [(name, rows) for name, rows in found if rows is not None]


def page(data: Path, image: str) -> str:
    """The whole document."""
    parts = [HEAD]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for clip in clips(data, folder):
            zones = chosen(clip)
            results = ways(clip, zones, image)
            parts += [table(clip, zone, [(way, rows[n]) for way, rows in results]) for n, zone in enumerate(zones.ids)]
    return "\n".join(parts)


def title(clip: Clip, zone: str) -> str:
    return clip.title if zone in clip.title.split(",") else f"{clip.title}: {zone}"


def table(clip: Clip, zone: str, results: list[tuple[str, Row]]) -> str:
    lines = [f"## {title(clip, zone)}", "", f"| | {' | '.join(COLUMNS)} |", f"|---|{'---:|' * len(COLUMNS)}"]
    lines += [f"| {way} | {' | '.join(shown(row[c]) for c in COLUMNS)} |" for way, row in results]
    return "\n".join([*lines, ""])


def shown(value: float | None) -> str:
    """
    >>> shown(737.2815), shown(742.0), shown(None)
    ('737.2815', '742', '–')
    """
    return "–" if value is None else f"{value:.7g}"


HEAD = """# Gippy, rasterstats, exactextract and Pileus on the same clips

Made by `python -m ecs_tasks.gippy.compare`; gippy ran in the image of `ecs_tasks/gippy/`. Radiance in nW/cm2/sr.

What differs, and why:

- **Grid shift.** gippy's `cookie_cutter` takes the pixels whose middle lies in the zone to a new grid that starts at
  the zone's upper left corner and has a whole number of pixels over the zone's extent, so that they are a little
  smaller than the raster's. Small zones keep their pixels; over a large one a row or column is counted twice:
  121,652 pixels instead of 121,315 in Burundi. `coverage: gippy` counts so.
- **Zero as nodata.** The cut-out is filled with 0 around the zone, and 0 is declared nodata, so darkness inside the
  zone is left out too: one pixel in 23 in Burundi. In Mumbai, in a cloudy month, the zeros are pixels that nobody saw.
- **Pixel rule.** gippy and rasterstats take a pixel whole when its middle lies in the zone; exactextract and Pileus
  take the share that lies in it. `Pileus, middles` is the setting `coverage: center`.
- **Beyond the edge.** rasterstats counts pixels of a zone that lie beyond the raster's edge, as 0. The others do not.
- **Digits.** gippy keeps its statistics in float32. exactextract has no skew.
- **Clouds.** Only the mask tells unseen from dark: `valid: {band: cf_cvg, min: 1}`.

The second row of each table is Pileus with `coverage: gippy` and `zero_is_nodata`. It equals gippy to float32's last
digit: nothing else differs.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--image", default="pileus-gippy:0.1.0")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "comparison.md")
    args = parser.parse_args()
    args.out.write_text(page(args.data, args.image))


if __name__ == "__main__":
    main()

"""What the specs of outputs and the pictures of the documentation are made from: real months through the real hops.

The stack is a folder: objects are files, the index is in memory. The real months are Mumbai's, from the shared data
that PILEUS_SHARED names; `mumbai` answers None where they are not there.
"""

import json
import os
import runpy
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from pileus.documents import Collection, Provider, parse_value
from pileus.expand import expand
from pileus.keys import table_key
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import Partition, State
from pileus.outputs.tables import to_parquet, with_time
from pileus.periods import Period, Periods, Unit, span
from pileus.project.registry import Registry, key_of
from pileus.tasks.discover_granules import list_groups
from pileus.tasks.process_group import process_group
from pileus.tasks.worker_state import WorkerState
from pileus.wiring import Edges, wire_folder
from spec.support.tiny import event_of

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("PILEUS_SHARED") or ROOT.parent / "shared")
WORLD = shapely.box(-180, -90, 180, 90)
MONTHS = ("2017-01", "2019-12")
"""Holds 2018-07, when no pixel of Mumbai's was seen, and 2019-09, when one in eighty was."""


def month(text: str) -> Period:
    return Period.parse(text, Unit.month, date.min)


def collection(**process: Any) -> dict[str, Any]:
    """The document of a collection of night lights, one tile a month."""
    regex = r"SVDNB_npp_(?P<start>\d{8})-\d{8}_(?P<tile>\w{7})_vcmcfg_v10_c(?P<created>\d{12,13})\.tgz"
    rules = {
        "band": "avg_rade9h",
        "valid": {"band": "cf_cvg", "min": 1},
        "zones": "s3://internal/zones/places.geojson",
        **process,
    }
    return {
        "name": "lights",
        "templated_name": "lights_{{pointInTime}}",
        "files": [{"regex": regex}],
        "provider": "site",
        "options": {"spanUnit": "month", "spanStart": MONTHS[0], "spanEnd": MONTHS[1]},
        "meta": {
            "group": {"by": ["start"], "each": "tile", "newest": "created"},
            "bands": {
                "avg_rade9h": {"unit": "nW/cm2/sr", "description": "average radiance"},
                "cf_cvg": {"unit": "observations", "description": "cloud-free observations"},
            },
            "process": rules,
        },
    }


def run(edges: Edges, document: dict[str, Any], site: Path, zones: bytes, periods: Sequence[Period]) -> Backfill:
    """Populate and process `periods` of a collection, its archives under `site`, as the workers do."""
    template = parse_value(Collection, document | {"provider_path": f"{site}/{{{{pointInTime}}}}/vcmcfg/"}, "stage")
    assert template.meta.process is not None
    edges.store.put(template.meta.process.zones, zones)
    provider = Provider(id="site", protocol="file")
    registry = Registry({key_of(template): template}, {"site": provider})
    edges.store.put(edges.internal("registry.json"), registry.to_json())
    first, last = periods[0].iso, periods[-1].iso
    facts: Any = {"state": "running", "execution": "made-up"}
    backfill = Backfill("history", template.name, template.version, first, last, "month", **facts)
    worker = WorkerState(site.parent / "scratch")
    for point in expand(template, Periods.of(periods[0], periods[-1])):
        for group in list_groups(edges, point.by_id, provider, own_folder=point.own_folder).groups:
            partition = Partition(template.name, template.version, point.period.iso, group.key)
            told, run = provider.model_dump(mode="json", exclude_defaults=True), backfill.run
            documents = point.collection.to_json(), told, group.to_json()
            done = process_group(edges, event_of(partition, *documents, backfill=backfill.id, run=run), worker)
            put_entry(edges, partition, backfill, State.succeeded, manifest=done["manifest"], size=group.size)
    worker.close()
    edges.index.put_backfill(backfill)
    return backfill


def put_entry(edges: Edges, partition: Partition, backfill: Backfill, state: State, **facts: Any) -> None:
    """Note the state of a partition."""
    before = edges.index.entry(partition)
    tag = before.tag if before else ""
    edges.index.put(Entry(partition, state, backfill.run_name, tag=tag, updated=edges.now(), **facts))


def mumbai(folder: Path, **process: Any) -> tuple[Edges, Backfill] | None:
    """Three years of Mumbai's two districts; of 2018-03 nothing is published, 2018-11 fails. None without the data."""
    tool = SHARED / "tools/make_provider.py"
    if not tool.exists():
        return None
    site = folder / "site"
    periods = list(span(*map(month, MONTHS)))
    published = [p for p in periods if p.iso not in ("2018-03", "2018-11")]
    arguments = ["--out", str(site), "--tiles", "75N060E", "--months", *(p.point for p in published)]
    before, sys.argv = sys.argv, [str(tool), *arguments]
    try:
        runpy.run_path(str(tool), run_name="__main__")
    finally:
        sys.argv = before
    months = next(site.rglob("201701")).parent
    for period in periods:
        (months / period.point / "vcmcfg").mkdir(parents=True, exist_ok=True)
    edges = wire_folder(folder / "buckets", {})
    zones = (SHARED / "data/zones/mumbai_districts.geojson").read_bytes()
    backfill = run(edges, collection(zone_id="id", **process), months, zones, periods)
    late = Partition("lights", "001", "2018-03", "*")
    put_entry(edges, late, backfill, State.waiting, reason="nothing published")
    broken = Failure("Corrupt", "its size is 12,345 bytes, 23,456 were announced", "SVDNB_npp_20181101.tgz")
    put_entry(edges, Partition("lights", "001", "2018-11", "20181101"), backfill, State.failed, failure=broken)
    return edges, backfill


def shapes(edges: Edges) -> dict[str, Any]:
    """The zones file as it was populated."""
    value: dict[str, Any] = json.loads(edges.store.get("s3://internal/zones/places.geojson"))
    return value


def countries() -> list[tuple[str, Any]]:
    """Name and outline of each country of the page's base map (TopoJSON: arcs as differences, quantised)."""
    world = json.loads((ROOT / "pileus/dashboard/static/world-110m.json").read_text())
    (sx, sy), (tx, ty) = world["transform"]["scale"], world["transform"]["translate"]
    arcs = [np.cumsum(arc, axis=0) * [sx, sy] + [tx, ty] for arc in world["arcs"]]

    def ring(numbers: list[int]) -> Any:
        parts = [arcs[n] if n >= 0 else arcs[~n][::-1] for n in numbers]
        return np.concatenate([parts[0], *(part[1:] for part in parts[1:])])

    found = []
    for country in world["objects"]["countries"]["geometries"]:
        polygons = country["arcs"] if country["type"] == "MultiPolygon" else [country["arcs"]]
        parts = [part for polygon in polygons for part in _cut(ring(polygon[0]))]
        found.append((country["properties"]["name"], shapely.union_all(parts)))
    return found


def _cut(ring: Any) -> list[Any]:
    """A ring that may cross the antimeridian, as valid polygons on either side of it."""
    shape = shapely.make_valid(shapely.Polygon(np.column_stack([np.unwrap(ring[:, 0], period=360), ring[:, 1]])))
    turns = [shapely.transform(shape, lambda xy, turn=turn: np.add(xy, (turn, 0))) for turn in (-360, 0, 360)]
    return [part for turned in turns if not (part := shapely.intersection(turned, WORLD)).is_empty]


def grid(rows: int, columns: int) -> list[tuple[str, Any]]:
    """Round places on a grid, with as many corners as a drawn one has."""
    places = []
    for row in range(rows):
        for column in range(columns):
            middle = shapely.Point(-160 + 320 * column / columns, -50 + 110 * row / rows)
            places.append((f"Place {row}-{column}", middle.buffer(3, quad_segs=16)))
    return places


def made_up(folder: Path, places: Sequence[tuple[str, Any]], first: str, last: str, name: str = "made_up") -> Edges:
    """Tables with made-up values: each place has a level, a season and a trend; in June a tenth are not observed."""
    edges = wire_folder(folder / "buckets", {})
    features = [
        {
            "type": "Feature",
            "id": title,
            "properties": {"name": title},
            "geometry": json.loads(shapely.to_geojson(shape)),
        }
        for title, shape in places
    ]
    zones = {"type": "FeatureCollection", "features": features}
    edges.store.put("s3://internal/zones/places.geojson", json.dumps(zones).encode())
    template = parse_value(Collection, collection() | {"name": name}, "stage")
    edges.store.put(edges.internal("registry.json"), Registry({key_of(template): template}).to_json())
    chance = np.random.default_rng(1)
    level, slope = np.exp(chance.normal(1.5, 1.2, len(places))), chance.normal(0.002, 0.002, len(places))
    for number, period in enumerate(span(month(first), month(last))):
        season = 1 + 0.2 * np.cos(2 * np.pi * number / 12 + np.arange(len(places)))
        mean = level * (1 + slope * number) * season * chance.normal(1, 0.05, len(places))
        share = np.where(
            (period.start.month == 6) & (np.arange(len(places)) % 10 == 0), 0.0, chance.beta(30, 1, len(places))
        )
        rows = pa.table(
            {
                "zone": [title for title, _ in places],
                "zone_name": [title for title, _ in places],
                "band": ["avg_rade9h"] * len(places),
                "count": share * 1000,
                "mean": pa.array(mean, mask=share == 0),
                "max": pa.array(mean * 8, mask=share == 0),
                "stddev": pa.array(mean / 2, mask=share == 0),
                "valid_share": share,
            }
        )
        partition = Partition(name, "001", period.iso, period.point)
        body = to_parquet(with_time(rows, partition), partition, {"avg_rade9h": "nW/cm2/sr"})
        edges.store.put(edges.protected(table_key(partition)), body)
    return edges

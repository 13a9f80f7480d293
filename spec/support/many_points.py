"""A template of a day for each of 274 years, and its points in time; imports no more than GenerateCollections does."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pileus.documents import Collection, Provider, parse_value
from pileus.lifecycle.backfill import Backfill
from pileus.project.registry import Registry, key_of
from pileus.tasks.generate_collections import generate_collections
from pileus.wiring import Edges

ROOT = Path(__file__).resolve().parents[2]
FIRST = date(1900, 1, 1)


def registered(edges: Edges, folder: Path, *, usual: bool = False) -> Collection:
    value: dict[str, Any] = {
        "name": "days",
        "templated_name": "days_{{pointInTime}}",
        "files": [{"regex": r"day_(?P<tile>\d+)\.tgz"}],
        "provider": "folder",
        "provider_path": str(folder),
        "options": {"spanUnit": "day", "spanStart": "19000101", "spanEnd": "21731014"},
        "meta": {"group": {"by": ["tile"]}},
    }
    if usual:
        usual_one = json.loads((ROOT / "collections/viirs_template.json").read_text())
        value |= {name: usual_one[name] for name in ("meta", "files", "provider_path")}
    template = parse_value(Collection, value, "spec")
    registry = Registry({key_of(template): template}, {"folder": Provider(id="folder", protocol="file")})
    edges.store.put(edges.internal("registry.json"), registry.to_json())
    return template


def generate(edges: Edges, points: int) -> dict[str, Any]:
    last = FIRST + timedelta(points - 1)
    edges.index.put_backfill(Backfill(f"b{points:06}", "days", "001", FIRST.isoformat(), str(last), "day"))
    config = {"execution": "arn", "name": "name"}
    return generate_collections(edges, {"config": config, "input": {"backfill": f"b{points:06}"}})

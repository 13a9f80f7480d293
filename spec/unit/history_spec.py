"""Plans of many points, and points of many groups: what the Lambdas answer stays small, as the items lie in S3."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pileus.documents import Collection, Provider, parse_value
from pileus.lifecycle.backfill import Backfill
from pileus.project.registry import Registry, key_of
from pileus.tasks.discover_granules import discover_granules
from pileus.tasks.generate_collections import generate_collections
from pileus.wiring import Edges, wire_folder

MESSAGE = 256 * 1024
FIRST = date(1900, 1, 1)


def registered(edges: Edges, folder: Path) -> Collection:
    value = {
        "name": "days",
        "templated_name": "days_{{pointInTime}}",
        "files": [{"regex": r"day_(?P<tile>\d+)\.tgz"}],
        "provider": "folder",
        "provider_path": str(folder),
        "options": {"spanUnit": "day", "spanStart": "19000101", "spanEnd": "21731014"},
        "meta": {"group": {"by": ["tile"]}},
    }
    template = parse_value(Collection, value, "spec")
    registry = Registry({key_of(template): template}, {"folder": Provider(id="folder", protocol="file")})
    edges.store.put(edges.internal("registry.json"), registry.to_json())
    return template


def generate(edges: Edges, points: int) -> dict[str, Any]:
    last = FIRST + timedelta(points - 1)
    edges.index.put_backfill(Backfill(f"b{points:06}", "days", "001", FIRST.isoformat(), str(last), "day"))
    config = {"execution": "arn", "name": "name"}
    return generate_collections(edges, {"config": config, "input": {"backfill": f"b{points:06}"}})


def test_ten_thousand_points_are_passed_on_in_as_few_bytes_as_ten(tmp_path: Path) -> None:
    edges = wire_folder(tmp_path / "s3", {})
    registered(edges, tmp_path)
    few, many = generate(edges, 10), generate(edges, 10_000)
    assert many["count"] == 10_000
    assert len(json.dumps(many)) - len(json.dumps(few)) == 3, "the count has three digits more"
    items = json.loads(edges.store.get(edges.internal("backfills/b010000/run-1/points.json")))
    assert len(items) == 10_000
    assert max(len(json.dumps(item)) for item in items) < MESSAGE / 100


def test_a_point_of_two_thousand_groups_is_passed_on_by_address_and_each_of_them_fits(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    for number in range(2000):
        (site / f"day_{number}.tgz").write_bytes(b"x")
    edges = wire_folder(tmp_path / "s3", {})
    registered(edges, site)
    generate(edges, 1)
    (item,) = json.loads(edges.store.get(edges.internal("backfills/b000001/run-1/points.json")))
    answer = discover_granules(edges, {"config": item["config"], "input": None})
    assert answer["count"] == 2000
    assert len(json.dumps(answer)) < 1000
    groups = json.loads(edges.store.get(f"s3://{answer['groups']['bucket']}/{answer['groups']['key']}"))
    assert max(len(json.dumps(group)) for group in groups) < MESSAGE / 100


def test_a_group_of_a_thousand_files_goes_through_s3(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    for number in range(1000):
        (site / f"day_{number}.tgz").write_bytes(b"x")
    edges = wire_folder(tmp_path / "s3", {})
    template = registered(edges, site)
    whole = template.model_copy(
        update={"meta": template.meta.model_copy(update={"group": type(template.meta.group)()})}
    )
    registry = Registry({key_of(whole): whole}, {"folder": Provider(id="folder", protocol="file")})
    edges.store.put(edges.internal("registry.json"), registry.to_json())
    generate(edges, 1)
    (item,) = json.loads(edges.store.get(edges.internal("backfills/b000001/run-1/points.json")))
    answer = discover_granules(edges, {"config": item["config"], "input": None})
    (group,) = answer["items"]
    assert set(group["task"]["input"]) == {"url"}
    assert len(json.loads(edges.store.get(group["task"]["input"]["url"]))["input"]["granules"]) == 1000

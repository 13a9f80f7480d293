"""Plans of many points, and points of many groups: what the Lambdas answer stays small, as the items lie in S3."""

import json
import subprocess
import sys
from pathlib import Path

from pileus.documents import Provider
from pileus.project.registry import Registry, key_of
from pileus.tasks.discover_granules import discover_granules
from pileus.wiring import wire_folder
from spec.support.many_points import generate, registered

ROOT = Path(__file__).resolve().parents[2]
MESSAGE = 256 * 1024


def test_ten_thousand_points_are_passed_on_in_as_few_bytes_as_ten(tmp_path: Path) -> None:
    edges = wire_folder(tmp_path / "s3", {})
    registered(edges, tmp_path)
    few, many = generate(edges, 10), generate(edges, 10_000)
    assert many["count"] == 10_000
    assert len(json.dumps(many)) - len(json.dumps(few)) == 3, "the count has three digits more"
    items = json.loads(edges.store.get(edges.internal("backfills/b010000/run-1/points.json")))
    assert len(items) == 10_000
    assert max(len(json.dumps(item)) for item in items) < MESSAGE / 100


def test_a_hundred_thousand_points_take_little_memory(tmp_path: Path) -> None:
    """In a process of its own, whose data may not pass 200 MiB, and with a template of the usual size."""
    code = f"""
import resource
from pathlib import Path
from spec.support.many_points import generate, registered
from pileus.wiring import wire_folder

edges = wire_folder(Path({str(tmp_path / "s3")!r}), {{}})
registered(edges, Path("site"), usual=True)
resource.setrlimit(resource.RLIMIT_DATA, (200 << 20, 200 << 20))
count = generate(edges, 100_000)["count"]
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))  # in KiB
print(count, int(peak) >> 10)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    count, mebibytes = map(int, done.stdout.split())
    assert count == 100_000
    assert mebibytes < 200


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

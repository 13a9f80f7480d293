"""Memory and time of each Lambda for a backfill of very many points in time, on the embedded AWS.

Each runs once, as Lambda runs it: in a process of its own that may have no more data than its definition's memory.
GenerateCollections expands the points; DiscoverGranules lists one point of 2,000 groups; ReportStatus ends the run,
with an entry in the index for each point. Prints one JSON line: MiB at most (VmHWM), the limit, and seconds, by Lambda.

    python benchmarks/lambdas.py [--points 100000]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pileus.edges.dynamo_index import DynamoIndex
from pileus.embedded.home import Home, Running
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.models import Partition, State
from pileus.wiring import Edges, wire
from spec.support.many_points import FIRST, registered

ROOT = Path(__file__).resolve().parent.parent
GROUPS = 2000
CHILD = """
import json, resource, sys, time
limit = int(sys.argv[2]) << 20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
event = json.load(sys.stdin)
from importlib import import_module
began = time.perf_counter()
answer = import_module(f"lambdas.{sys.argv[1]}.handler").handler(event, None)
took = time.perf_counter() - began
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"answer": answer, "mib": int(peak) >> 10, "seconds": round(took, 2)}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000)
    points = parser.parse_args().points
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "collections").mkdir()
        pileus(project, "up", "--detach", "--workers", "0")
        try:
            print(json.dumps({"case": "lambdas", "points": points, **measured(project, points)}))
        finally:
            pileus(project, "down")


def measured(project: Path, points: int) -> dict[str, Any]:
    """Run each Lambda once, in the order of a backfill."""
    running = Home(project).running()
    assert running is not None
    edges = wire(running.stack, running.aws)
    site = project / "site"
    site.mkdir()
    for number in range(GROUPS):
        (site / f"day_{number}.tgz").write_bytes(b"x")
    registered(edges, site)
    last = FIRST + timedelta(points - 1)
    edges.index.put_backfill(Backfill("many", "days", "001", FIRST.isoformat(), str(last), "day"))
    found = {
        "generate_collections": call(running, "generate_collections", {"config": {}, "input": {"backfill": "many"}})
    }
    listed = found["generate_collections"].pop("answer")
    items = json.loads(edges.store.get(f"s3://{listed['points']['bucket']}/{listed['points']['key']}"))
    assert len(items) == points
    event = {"config": items[0]["config"], "input": None}
    found["discover_granules"] = call(running, "discover_granules", event)
    assert found["discover_granules"].pop("answer")["count"] == GROUPS
    fill(edges, points)
    event = {"config": {"event": "ended", "backfill": "many", "run": 1}, "input": {}}
    found["report_status"] = call(running, "report_status", event)
    found["report_status"]["state"] = found["report_status"].pop("answer")["state"]
    return found


def call(running: Running, name: str, event: Any) -> dict[str, Any]:
    """Run a handler in a process of its own, with its memory as the limit."""
    limit = json.loads((ROOT / "lambdas" / name / "task.json").read_text())["memory"]
    environ = os.environ | running.stack | running.credentials.to_env() | {"AWS_ENDPOINT_URL": running.endpoint}
    command = [sys.executable, "-c", CHILD, name, str(limit)]
    done = subprocess.run(command, input=json.dumps(event), env=environ, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout) | {"limit_mib": limit}


def fill(edges: Edges, points: int) -> None:
    """Write an entry of a succeeded group for each point after the first, 25 at once."""
    index = edges.index
    assert isinstance(index, DynamoIndex)
    many = [index._item(entry) for entry in entries(points)]
    for start in range(0, len(many), 25):
        requests: Any = {index._partitions: [{"PutRequest": {"Item": item}} for item in many[start : start + 25]]}
        index._client.batch_write_item(RequestItems=requests)


def entries(points: int) -> Iterator[Entry]:
    for number in range(1, points):
        place = Partition("days", "001", (FIRST + timedelta(number)).isoformat(), "0")
        yield Entry(place, State.succeeded, "many/1", manifest=f"s3://protected/{number}", updated=1.0, tag="t")


def pileus(project: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "pileus", *words], cwd=project, check=True, capture_output=True)


if __name__ == "__main__":
    main()

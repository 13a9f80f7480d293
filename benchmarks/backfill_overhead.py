"""What a backfill costs beside its work: time per point in time, and how it grows.

Makes a project of N days with one tiny archive each (8 x 8 pixels, one zone, protocol `file`), starts the embedded
stack, backfills, and prints one JSON line: milliseconds a point at 100 and at 1,000 points, their ratio (1 is
linear growth), the largest event of the last executions in bytes, the time of a second run that has nothing to do, and
`keeping_ms`: what claim, fingerprint, record and report take of a partition in a worker without a task, while the stack
starts the next ones beside it. Receiving and deleting its message are not in it.

    python benchmarks/backfill_overhead.py [--points 100 1000] [--workers 2]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pileus.documents import Meta, Process
from pileus.edges.aws import Stack
from pileus.edges.queues import Message, SqsQueues
from pileus.embedded.home import Home
from pileus.lifecycle.fingerprint import fingerprint
from pileus.models import Granule, Listed
from pileus.wiring import queues_of, wire
from pileus.worker.loop import Worker
from spec.support.tiny import archive

ROOT = Path(__file__).resolve().parent.parent
FIRST = date(2010, 1, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    per_point: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        make_project(project, max(arguments.points))
        pileus(project, "up", "--detach", "--workers", str(arguments.workers))
        try:
            pileus(project, "populate")
            warm = backfill(project, 0, 20, "warm-up")  # Lambdas and kernels are warm, as in any longer backfill
            for count, skip in zip(arguments.points, starts(arguments.points), strict=True):
                per_point[count] = backfill(project, skip, count, f"points-{count}") / count * 1000
            again = backfill(project, starts(arguments.points)[-1], arguments.points[-1], "again")
            largest = largest_payloads(project)
            pileus(project, "down")
            pileus(project, "up", "--detach", "--workers", "0")
            kept = keeping(project, starts(arguments.points)[-1] + arguments.points[-1], 150)
        finally:
            pileus(project, "down")
    few, many = arguments.points[0], arguments.points[-1]
    result = {
        "case": "backfill_overhead",
        "ms_per_point": {str(count): round(value, 2) for count, value in per_point.items()},
        "growth": round(per_point[many] / per_point[few], 3),
        "nothing_to_do_ms_per_point": round(again / many * 1000, 2),
        "keeping_ms": round(kept, 2),
        "warm_up_s": round(warm, 2),
        "largest_bytes": largest,
    }
    print(json.dumps(result))


def starts(points: list[int]) -> list[int]:
    """Disjoint spans, after the 20 days of the warm-up."""
    return [20 + sum(points[:number]) for number in range(len(points))]


def make_project(project: Path, days: int) -> None:
    """Documents, zones and archives for twice `days` and some."""
    site, body = project / "site", archive()
    for number in range(days * 2 + 500):
        folder = site / f"{FIRST + timedelta(number):%Y%m%d}"
        folder.mkdir(parents=True)
        (folder / f"tiny_{folder.name}.tgz").write_bytes(body)
    documents = {
        "collections/tiny.json": {
            "name": "tiny",
            "templated_name": "tiny_{{pointInTime}}",
            "files": [{"regex": r"tiny_(?P<day>\d{8})\.tgz"}],
            "provider": "site",
            "provider_path": f"{site}/{{{{pointInTime}}}}",
            "options": {
                "spanUnit": "day",
                "spanStart": f"{FIRST:%Y%m%d}",
                "spanEnd": f"{FIRST + timedelta(days * 2 + 499):%Y%m%d}",
            },
            "meta": {"group": {"by": ["day"]}, "process": {"band": "light", "zones": "data/zones/tiny.geojson"}},
        },
        "data/providers/site.json": {"id": "site", "protocol": "file"},
        "data/zones/tiny.geojson": {
            "type": "Feature",
            "id": "square",
            "properties": {},
            "geometry": {"type": "Polygon", "coordinates": [[[1, 1], [5, 1], [5, 5], [1, 5], [1, 1]]]},
        },
    }
    for name, value in documents.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(json.dumps(value))


def backfill(project: Path, skip: int, count: int, name: str) -> float:
    """Seconds from the command to the end of the backfill."""
    first, last = FIRST + timedelta(skip), FIRST + timedelta(skip + count - 1)
    began = time.perf_counter()
    pileus(project, "backfill", "tiny", "--from", str(first), "--to", str(last), "--name", name, "--wait")
    return time.perf_counter() - began


def keeping(project: Path, skip: int, count: int) -> float:
    """Milliseconds from a message in hand, its fingerprint made too, to its answer; the task itself does nothing."""
    first, last = FIRST + timedelta(skip), FIRST + timedelta(skip + count - 1)
    pileus(project, "backfill", "tiny", "--from", str(first), "--to", str(last), "--name", "keeping")
    running = Home(project).running()
    assert running is not None
    aws, stack, spent = running.aws, Stack.from_env(running.stack), []
    tile = Granule(Listed("tiny.tgz", "file:///tiny.tgz", size=300, modified="2015-01-01T00:00:00"), {})
    process = Process(band="light", zones="s3://zones/0123456789ab.geojson")

    class Timed(Worker):
        began = 0.0

        def handle(self, message: Message) -> None:
            self.began = time.perf_counter()
            fingerprint([tile] * 6, Meta(process=process))
            super().handle(message)

    class TimedQueues(SqsQueues):
        def delete(self, message: Message) -> None:
            spent.append(time.perf_counter() - worker.began)
            super().delete(message)

    def task(*_: object) -> Mapping[str, Any]:
        return {"manifest": "s3://none/manifest.json", "downloaded": 0, "seconds": 0.0}

    queues = TimedQueues(aws.sqs, aws.stepfunctions, queues_of(stack))
    worker = Timed(wire(os.environ, aws, stack), queues, task, name="timed")
    deadline = time.monotonic() + 120
    while len(spent) < count and time.monotonic() < deadline:
        worker.run(until_idle=True)
    if len(spent) < count:
        raise SystemExit(f"only {len(spent)} of {count} partitions came")
    return statistics.median(spent) * 1000


def largest_payloads(project: Path) -> dict[str, int]:
    """The largest input or output of an execution, and of any state in the last hundred of them."""
    running = Home(project).running()
    assert running is not None
    client = running.aws.stepfunctions
    events = [0]
    for machine in client.list_state_machines()["stateMachines"]:
        for execution in client.list_executions(stateMachineArn=machine["stateMachineArn"], maxResults=100)[
            "executions"
        ]:
            history = client.get_execution_history(executionArn=execution["executionArn"], maxResults=1000)["events"]
            events += [len(json.dumps(event, default=str)) for event in history]
    return {"event": max(events), "limit": 256 * 1024}


def pileus(project: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pileus", *arguments], cwd=project, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"pileus {' '.join(arguments)}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()

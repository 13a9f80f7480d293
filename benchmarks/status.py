"""The status of a backfill of many partitions: processor time of our own, and the whole wait.

Fills the index of an embedded AWS with days of fifty groups each, as a backfill leaves them, and asks for its status
while it runs (from the index) and after it has ended (from its record). Prints one JSON line: medians in seconds, `own`
of this process's processor, `whole` by the clock.

    python benchmarks/status.py [--partitions 100000] [--runs 3]
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pileus import keys
from pileus.backfills import record
from pileus.backfills.status import status
from pileus.cli.main import collect_seldom
from pileus.edges.aws import Aws
from pileus.edges.dynamo_index import DynamoIndex
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.models import Partition, State
from pileus.wiring import wire_folder
from spec.servers.sessions import ministack

FIRST, GROUPS = date(2010, 1, 1), 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partitions", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    collect_seldom()
    with tempfile.TemporaryDirectory() as folder, ministack(Path(folder) / "aws") as site:
        edges = filled(Path(folder), site.url, arguments.partitions)
        running = timed(lambda: status(edges, "long"), arguments.runs)
        found = status(edges, "long")
        assert found.counts == {State.succeeded: arguments.partitions}
        record.close(edges, found.backfill, found.outcomes)
        closed = timed(lambda: record.closed(edges, "long", 1), arguments.runs)
    result = {"case": "status", "partitions": arguments.partitions, "running": running, "ended": closed}
    print(json.dumps(result))


def timed(work: Callable[[], Any], runs: int) -> dict[str, float]:
    own, whole = [], []
    for _ in range(runs):
        used, began = time.process_time(), time.perf_counter()
        work()
        own.append(time.process_time() - used)
        whole.append(time.perf_counter() - began)
    return {"own": round(statistics.median(own), 3), "whole": round(statistics.median(whole), 3)}


def filled(folder: Path, endpoint: str, count: int) -> Any:
    """Edges whose index has a backfill of so many partitions, all succeeded."""
    from dataclasses import replace

    aws = Aws(endpoint)
    text = [{"AttributeName": name, "AttributeType": "S"} for name in ("collection", "partition", "id")]
    for table, names in (("partitions", ("collection", "partition")), ("backfills", ("id",))):
        aws.dynamodb.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": n, "KeyType": k} for n, k in zip(names, ("HASH", "RANGE"), strict=False)],
            AttributeDefinitions=[one for one in text if one["AttributeName"] in names],
            BillingMode="PAY_PER_REQUEST",
        )
    edges = wire_folder(folder / "store", {})
    manifests = edges.protected(f"{keys.MANIFESTS}/")
    index = DynamoIndex(aws.dynamodb, partitions="partitions", backfills="backfills", manifests=manifests)
    edges = replace(edges, index=index)
    last = FIRST + timedelta(count // GROUPS - 1)
    backfill = Backfill("long", "daily", "001", str(FIRST), str(last), "day", state="running")
    index.put_backfill(backfill)

    def put(number: int) -> None:
        day, group = divmod(number, GROUPS)
        partition = Partition("daily", "001", str(FIRST + timedelta(day)), f"tile-{group:02}")
        manifest = f"{manifests}{partition.key}/manifest.json"
        index.put(Entry(partition, State.succeeded, "long/1", size=300, downloaded=300, manifest=manifest))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(count)))
    return edges


if __name__ == "__main__":
    main()

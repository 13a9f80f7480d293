"""Dagster: a partitioned asset that does nothing, materialized in this process and by the backfill daemon.

Prints {"in_process_s", "daemon_s"}: seconds a partition.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    Definitions,
    RunsFilter,
    StaticPartitionsDefinition,
    asset,
    materialize,
)

PARTITIONS = [f"p{number:04}" for number in range(1000)]
LONGEST = 600
"""Seconds that the daemon may take."""


@asset(partitions_def=StaticPartitionsDefinition(PARTITIONS))
def nothing() -> None:
    """A partition's work."""


defs = Definitions(assets=[nothing])


def in_process(count: int) -> float:
    with DagsterInstance.get() as instance:
        materialize([nothing], partition_key=PARTITIONS[0], instance=instance)
        began = time.perf_counter()
        for key in PARTITIONS[1 : count + 1]:
            materialize([nothing], partition_key=key, instance=instance)
        return (time.perf_counter() - began) / count


def by_daemon(count: int) -> float:
    binaries, here = Path(sys.executable).parent, str(Path(__file__).resolve())
    daemon = subprocess.Popen(
        [binaries / "dagster-daemon", "run", "-f", here], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        keys = ",".join(PARTITIONS[100 : 100 + count])
        done = RunsFilter(statuses=[DagsterRunStatus.SUCCESS])
        with DagsterInstance.get() as instance:
            before = instance.get_runs_count(done)
        began = time.perf_counter()
        command = [binaries / "dagster", "job", "backfill", "-f", here, "-j", "__ASSET_JOB", "--partitions", keys]
        subprocess.run([*command, "--noprompt"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with DagsterInstance.get() as instance:
            while instance.get_runs_count(done) < before + count:
                if time.perf_counter() - began > LONGEST:
                    raise SystemExit(f"the daemon did not end in {LONGEST} s")
                time.sleep(0.2)
        return (time.perf_counter() - began) / count
    finally:
        daemon.terminate()
        daemon.wait(30)


if __name__ == "__main__":
    in_process_count, daemon_count = int(sys.argv[1]), int(sys.argv[2])
    Path(os.environ["DAGSTER_HOME"]).mkdir(parents=True, exist_ok=True)
    here_s = in_process(in_process_count)
    print(json.dumps({"in_process_s": here_s, "daemon_s": by_daemon(daemon_count)}))

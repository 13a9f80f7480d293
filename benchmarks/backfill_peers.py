"""The overhead of a partition, against Dagster, Prefect and Luigi, each in a virtual environment of its own.

Ours is a second backfill of partitions that are all up to date (claimed by nobody, decided one by one, with every
record read) and a first one whose work is trivial; theirs is a partition that does nothing. Prints a JSON line a
peer: seconds a partition, and ratio = theirs / ours. The daemon's partitions are few, because each takes seconds.

    python benchmarks/backfill_peers.py --venvs FOLDER [--install] [--points 1000]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = {"dagster": ("200", "40"), "prefect": ("50",), "luigi": ("1000",)}
"""Arguments of each peer's script: how many partitions."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--venvs", type=Path, required=True, help="has a virtual environment for each peer, by its name"
    )
    parser.add_argument("--install", action="store_true", help="make those that are missing")
    parser.add_argument("--points", type=int, default=1000)
    arguments = parser.parse_args()
    ours = overhead(arguments.points)
    for peer, counts in PEERS.items():
        python = arguments.venvs / peer / "bin/python"
        if arguments.install and not python.exists():
            subprocess.run([sys.executable, "-m", "venv", arguments.venvs / peer], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", peer], check=True)
        if not python.exists():
            print(json.dumps({"case": "backfill_peers", "peer": peer, "missing": f"no {python}: use --install"}))
            continue
        for case, seconds in measured(python, peer, counts).items():
            ratio = round(seconds / ours, 1)
            line = {"case": f"{peer} {case.removesuffix('_s')}", "ours_s": round(ours, 4), "peer": peer}
            print(json.dumps(line | {"peer_s": round(seconds, 4), "ratio": ratio}))


def overhead(points: int) -> float:
    """Seconds a partition of ours, its trivial work included."""
    command = [sys.executable, HERE / "backfill_overhead.py", "--points", "100", str(points)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    print(done.stdout.strip())
    return float(json.loads(done.stdout)["ms_per_point"][str(points)]) / 1000


def measured(python: Path, peer: str, counts: tuple[str, ...]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        environ = os.environ | {"DAGSTER_HOME": folder, "PREFECT_HOME": folder, "DO_NOT_TRACK": "1"}
        environ |= {
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "PREFECT_LOGGING_LEVEL": "ERROR",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "0",
        }
        environ.pop("PYTHONPATH", None)
        script = HERE / "peers" / f"{peer}_noop.py"
        done = subprocess.run(
            [python, script, *counts], env=environ, cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no word"])[-1]
            print(json.dumps({"case": "backfill_peers", "peer": peer, "missing": f"it does not run: {why}"}))
            return {}
        found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
        return found


if __name__ == "__main__":
    main()

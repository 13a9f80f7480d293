"""Ten thousand groups on the workers stack, simulated with the policies of the synthesized template.

Prints one JSON line for each case. With a folder as argument it draws two of them as scaling.svg into it:

    python benchmarks/scaling.py docs
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.scaling_model import Load, Outcome, policy_of, simulate
from infra.settings import Settings
from pileus.deploy.synth import synth
from pileus.embedded.home import Home
from pileus.project.folder import Project

ROOT = Path(__file__).resolve().parents[1]
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/pileus-worker:0.1.0"
TILE = (232e6, 639e6)
"""Least and most bytes of a listed VIIRS archive."""
LOAD = Load(
    groups=10_000,
    at_once=40,
    sizes=(6 * TILE[0], 6 * TILE[1]),
    unpack=1.1,
    connections=10,
    connection_rate=5e6,
    per_worker=6,
    seconds_per_byte=2.7 / 628e6,
)
CASES: dict[str, tuple[dict[str, Any], Load]] = {
    "one provider with ten connections": ({}, LOAD),
    "a bucket that allows a thousand": (
        {"max_workers": 40, "groups_per_worker": 1},
        replace(LOAD, connections=1000, connection_rate=20e6),
    ),
    "a volume for one group and a half": (
        {"max_workers": 40, "groups_per_worker": 1, "volume_size": 24},
        replace(LOAD, connections=1000, connection_rate=20e6, unpack=3.5),
    ),
}


def run(changes: dict[str, Any], load: Load) -> tuple[Settings, Outcome]:
    """Synthesize with the settings and simulate."""
    values = {"worker_image": IMAGE, **changes}
    assembly = synth(Project(ROOT), Home(ROOT).assemblies, values)
    template = json.loads(assembly.template("pileus-workers"))
    return Settings.model_validate(values), simulate(policy_of(template), load, every=600 if load is LOAD else 60)


def dollars(settings: Settings, outcome: Outcome) -> float:
    """Of instances, their volumes and addresses."""
    prices = json.loads((ROOT / "data/prices.json").read_text())
    family = settings.instance.partition(".")[0]
    hourly = prices["ec2"]["xlarge_hour"][family] * settings.max_vcpus / settings.max_instances / 4
    disk = (settings.volume_size + 30) / 730 * prices["ebs"]["gp3_gigabyte_month"]
    return float(outcome.instance_hours * (hourly + disk + prices["ipv4_hour"]))


def draw(drawn: dict[str, tuple[Settings, Outcome]], path: Path) -> None:
    """Draw queue, workers, connections and disk over time, a column for each case, with the limits dashed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), layout="constrained")
    columns = figure.subplots(4, len(drawn), sharex="col").T
    for column, (case, (settings, outcome)) in zip(columns, drawn.items(), strict=True):
        hours = [moment.seconds / 3600 for moment in outcome.moments]
        limit = CASES[case][1].connections
        rows = (
            ("groups in the queues", [moment.backlog for moment in outcome.moments], None),
            ("workers", [moment.workers for moment in outcome.moments], settings.max_workers),
            ("connections", [moment.connections for moment in outcome.moments], limit if limit < 100 else None),
            ("GB on the fullest volume", [moment.disk / 1e9 for moment in outcome.moments], settings.volume_size),
        )
        column[0].set_title(f"{case}: {outcome.seconds / 3600:.1f} hours", fontsize=10)
        for axes, (name, values, most) in zip(column, rows, strict=True):
            axes.step(hours, values, where="post", color="#1f5a8a", linewidth=1)
            if most is not None:
                axes.axhline(most, color="#b5482a", linewidth=0.8, linestyle="--")
            axes.set_ylabel(name, fontsize=8)
            axes.set_ylim(bottom=0)
            axes.spines[["top", "right"]].set_visible(False)
        column[-1].set_xlabel("hours")
    figure.suptitle("10,000 groups on the workers stack, simulated")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    drawn = {}
    for case, (changes, load) in CASES.items():
        settings, outcome = drawn[case] = run(changes, load)
        line = {
            "case": case,
            "groups": outcome.done,
            "hours": round(outcome.seconds / 3600, 2),
            "hours_to_zero": round(outcome.to_zero / 3600, 2),
            "instance_hours": round(outcome.instance_hours, 1),
            "peak_disk_gb": round(outcome.peak_disk / 1e9, 1),
            "volume_gb": settings.volume_size,
            "peak_connections": outcome.peak_connections,
            "peak_workers": outcome.peak_workers,
            "hours_waited_for_room": round(outcome.waited_for_room, 1),
            "dollars": round(dollars(settings, outcome), 2),
        }
        print(json.dumps(line), flush=True)
    if len(sys.argv) > 1:
        first, _, last = drawn
        draw({case: drawn[case] for case in (first, last)}, Path(sys.argv[1]) / "scaling.svg")


if __name__ == "__main__":
    main()

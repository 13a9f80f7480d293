"""The command line: one file a group of commands; each parses, makes one library call and prints."""

import sys

import typer
from rich.console import Console

from pileus.errors import PileusError

app = typer.Typer(
    name="pileus",
    help="Historical backfills of satellite archives: template to zonal statistics in S3.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


# Each import adds its commands to `app`, in the order of the help page.
from pileus.cli import (  # noqa: E402
    backfill,
    control,
    cost,
    dashboard,
    dead_letters,
    deploy,
    discover,
    download,
    outputs,
    plan,
    populate,
    reconcile,
    rules,
    run_task,
    sample,
    stats,
    status,
    synth,
    up,
    worker,
)

__all__ = [
    "app",
    "backfill",
    "control",
    "cost",
    "dashboard",
    "dead_letters",
    "deploy",
    "discover",
    "download",
    "main",
    "outputs",
    "plan",
    "populate",
    "reconcile",
    "rules",
    "run_task",
    "sample",
    "stats",
    "status",
    "synth",
    "up",
    "worker",
]


def main() -> None:
    """Run the command line. A known error is one line on standard error and its exit code."""
    try:
        app()
    except PileusError as error:
        Console(stderr=True, soft_wrap=True).print(f"pileus: {error}", style="red", highlight=False, markup=False)
        sys.exit(error.exit_code)

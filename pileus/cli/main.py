"""The command line: one file a group of commands; each parses, makes one library call and prints."""

import sys

from rich.console import Console

from pileus.cli import (  # noqa: F401 - each adds its commands, in the order of the help page
    backfill,
    backfills,
    cancel,
    cost,
    dashboard,
    dead_letters,
    deploy,
    destroy,
    diff,
    discover,
    doctor,
    down,
    download,
    logs,
    outputs,
    pause,
    plan,
    populate,
    reconcile,
    resume,
    retry,
    rules,
    run_task,
    sample,
    schemas,
    stats,
    status,
    synth,
    up,
    worker,
)
from pileus.cli.app import app
from pileus.errors import PileusError


def main() -> None:
    """Run the command line. A known error is one line on standard error and its exit code."""
    try:
        app()
    except PileusError as error:
        Console(stderr=True, soft_wrap=True).print(f"pileus: {error}", style="red", highlight=False, markup=False)
        sys.exit(error.exit_code)

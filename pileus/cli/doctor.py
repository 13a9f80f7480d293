"""pileus doctor: what a backfill or a deployment needs, checked."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from pileus.cli import show
from pileus.cli.account import Settings, environment_account
from pileus.cli.app import app
from pileus.cli.session import Session

if TYPE_CHECKING:
    from pileus.deploy.doctor import Check


@app.command(epilog="Example: pileus doctor --json")
def doctor(settings: Settings = None, json: show.Json = False) -> None:
    """Check what a backfill and a deployment need, and say how to correct each problem.

    Exits with 1 when a backfill on this machine would fail, and with 0 when only a deployment would.
    """
    from datetime import date

    from pileus.deploy.doctor import examine, gippy
    from pileus.deploy.synth import check_settings, read_settings

    session = Session()
    checked = check_settings(read_settings(os.environ, settings))
    registry, _ = session.project.registry()
    checks = examine(
        environment_account(), checked, registry.providers.values(), session.project.root, today=date.today()
    )
    checks += gippy(registry.collections.values())
    if json:
        show.as_json([check.to_json() for check in checks])
    else:
        _report(checks)
    if any(check.ok is False and not check.deployment_only for check in checks):
        raise typer.Exit(1)


def _report(checks: "Sequence[Check]") -> None:
    marks = {True: "ok", False: "amiss", None: "unknown"}
    show.table(
        ("", "check", "found"),
        [
            (marks[check.ok], check.name + (" (deployment only)" if check.deployment_only else ""), check.found)
            for check in checks
        ],
    )
    for check in checks:
        if check.ok is not True and check.advice:
            show.line(f"{check.name}: {check.advice}")

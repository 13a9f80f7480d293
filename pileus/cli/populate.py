"""pileus populate: validate documents and hand them to the stack."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.session import Session


@app.command(epilog="Example: pileus populate --check")
def populate(
    check: Annotated[bool, typer.Option("--check", help="Only validate; no stack is needed.")] = False,
    json: show.Json = False,
) -> None:
    """Validate every document of the project, then give them to the stack: all or none."""
    from pileus.backfills.rules import apply
    from pileus.edges.providers.reach import sent_in_clear
    from pileus.project.populate import populate as write
    from pileus.project.populate import validate

    session = Session()
    registry, zones = validate(session.project, datetime.now(UTC).date())
    for provider in registry.providers.values():
        if warning := sent_in_clear(provider):
            show.errors.print(f"pileus: {warning}", style="yellow", markup=False, soft_wrap=True)
    if check:
        counts = {kind: len(getattr(registry, kind)) for kind in ("collections", "providers", "rules")}
        show.answer(json, {"valid": True} | counts, f"{sum(counts.values())} documents are valid")
        return
    written, changes = write(session.edges.store, session.stack.internal, registry, zones)
    fired = apply(session.edges, session.workflows, session.schedules, written)
    if json:
        show.as_json([{"kind": kind, "name": name, "change": change} for kind, name, change in changes])
        return
    show.table(("kind", "name", "change"), changes)
    for name, what in fired:
        if what == "started":
            show.line(f"rule {name} started")

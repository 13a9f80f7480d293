"""pileus populate: validate documents and hand them to the stack."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.session import Session

if TYPE_CHECKING:
    from pileus.project.registry import Registry

Change = tuple[str, str, str]
"""Kind and name of a document, and what became of it."""


@app.command(epilog="Example: pileus populate --check")
def populate(
    check: Annotated[bool, typer.Option("--check", help="Only validate; no stack is needed.")] = False,
    json: show.Json = False,
) -> None:
    """Validate every document of the project, then give them to the stack: all or none."""
    session = Session()
    if check:
        registry, _ = read_documents(session, {"internal", "protected", *session.deployment().buckets})
        counts = {kind: len(getattr(registry, kind)) for kind in ("collections", "providers", "rules")}
        show.answer(json, {"valid": True} | counts, f"{sum(counts.values())} documents are valid")
        return
    changes, started = hand_over(session)
    if json:
        show.as_json(as_values(changes))
        return
    show_changes(changes)
    for rule in started:
        show.line(f"rule {rule} started")


def read_documents(session: Session, buckets: set[str] | None = None) -> "tuple[Registry, Mapping[str, bytes]]":
    """Return the documents of the project and its zones, all valid. Warn of passwords that stand in documents or would
    travel in clear, and of an engine that usual workers do not have. `buckets`: the keys that files may name; None: the
    stack checks them.
    """
    from pileus.documents.engine import RUN
    from pileus.edges.providers.login import plain_warning
    from pileus.edges.providers.reach import sent_in_clear
    from pileus.project.populate import validate

    registry, zones = validate(session.project, datetime.now(UTC).date(), buckets)
    for provider in registry.providers.values():
        for warning in filter(None, (sent_in_clear(provider), plain_warning(provider))):
            show.errors.print(f"pileus: {warning}", style="yellow", markup=False, soft_wrap=True)
    for collection in registry.collections.values():
        if collection.meta.process and collection.meta.process.engine == "gippy":
            told = f"pileus: {collection.name} is measured by gippy: {RUN}"
            show.errors.print(told, style="yellow", markup=False, soft_wrap=True)
    return registry, zones


def hand_over(session: Session) -> tuple[list[Change], list[str]]:
    """Give the project's documents to the stack. Return their changes, and the rules that were started."""
    registry, zones = read_documents(session)
    done = session.client.documents.populate(registry, zones)
    return [(one.kind, one.name, one.change) for one in done.changes], done.started


def show_changes(changes: list[Change]) -> None:
    show.table(("kind", "name", "change"), changes)


def as_values(changes: list[Change]) -> list[dict[str, str]]:
    """Return changes as JSON."""
    return [{"kind": kind, "name": name, "change": change} for kind, name, change in changes]

"""pileus sample: the whole product on the synthetic sample, in one command."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.session import Session
from pileus.cli.watch import watch

if TYPE_CHECKING:
    from pileus.project.registry import Registry


@app.command(epilog="Example: pileus sample")
def sample(workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2) -> None:
    """Backfill three synthetic months: start what is needed, show the statistics, stop what was started.

    Works in a project that `pileus init` wrote, and in a clone.
    """
    from pileus.backfills.control import new_backfill, start
    from pileus.project.example import COLLECTION

    session = Session()
    session.alone()
    _make_site(session)
    with _stack(session, workers):
        registry = _populate(session)
        planned = new_backfill(
            registry, COLLECTION, now=session.edges.now(), started_by="sample", command="pileus sample"
        )
        started = start(session.edges, session.workflows, planned)
        code = watch(session, started.id, json=False)
        _show(session, COLLECTION)
    raise typer.Exit(code)


def _make_site(session: Session) -> None:
    """Make the archives of the sample provider if they are missing. Raises UsageError in a project without that
    provider.
    """
    from pileus.errors import UsageError
    from pileus.project.example import COLLECTION, PROVIDER, SITE, make_site

    registry, _ = session.project.registry()
    if PROVIDER not in registry.providers or all(one.name != COLLECTION for one in registry.collections.values()):
        raise UsageError(
            f"this project lacks the collection {COLLECTION} or its provider {PROVIDER}: "
            "`pileus init FOLDER` makes one that has both"
        )
    make_site(session.project.root / SITE)
    show.line(f"the sample provider is the folder {SITE}/")


@contextmanager
def _stack(session: Session, workers: int) -> Iterator[None]:
    """Yield the stack that is up; else start one for the time of the block."""
    from pileus.embedded.control import start_detached, stop_supervisor

    if session.home.supervised():
        show.line("using the stack that is up")
        yield
        return
    show.line("starting the embedded AWS, the core stack and the workers")
    start_detached(session.home, workers)
    try:
        yield
    finally:
        stop_supervisor(session.home)
        show.line("stopped what was started; outputs stay in .pileus/s3")


def _populate(session: Session) -> "Registry":
    from pileus.backfills.rules import apply
    from pileus.project.populate import populate, validate

    registry, zones = validate(session.project, datetime.now(UTC).date())
    written, changes = populate(session.edges.store, session.stack.internal, registry, zones)
    apply(session.edges, session.workflows, session.schedules, session.sources, written)
    changed = sum(change != "unchanged" for _, _, change in changes)
    show.line(f"populated {len(changes)} documents, {changed} of them new or changed")
    return written


def _show(session: Session, collection: str) -> None:
    from pileus.outputs.read import objects, read_stats

    for url, _ in objects(session.edges.store, session.stack.protected, collection):
        show.line(url)
    table = read_stats(session.edges.store, session.stack.protected, collection)
    if table.num_rows:
        columns = ("zone", "period", "count", "mean", "min", "max", "stddev", "valid_share")
        rows = table.sort_by([("zone", "ascending"), ("period", "ascending")]).to_pylist()
        show.table(columns, ([row[name] for name in columns] for row in rows))

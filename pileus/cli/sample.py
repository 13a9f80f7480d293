"""pileus sample: the whole product on the synthetic sample site, in one command."""

import importlib.util
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.session import Session
from pileus.cli.watch import watch

if TYPE_CHECKING:
    from pileus.project.registry import Registry

COLLECTION = "viirs_sample"


@app.command(epilog="Example: pileus sample")
def sample(workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2) -> None:
    """Backfill three synthetic months: starts all it needs, shows the statistics, stops what it started."""
    from pileus.backfills.control import new_backfill, start

    session = Session()
    with _site(session), _stack(session, workers):
        registry = _populate(session)
        planned = new_backfill(
            registry, COLLECTION, now=session.edges.now(), started_by="sample", command="pileus sample"
        )
        started = start(session.edges, session.workflows, planned)
        code = watch(session, started.id, json=False)
        _show(session)
    raise typer.Exit(code)


@contextmanager
def _site(session: Session) -> Iterator[None]:
    """The sample provider, served while the block runs."""
    from pileus.errors import UsageError

    folder = session.project.root / "data/sample"
    site = session.home.path / "sample-site"
    registry, sources = session.project.registry()
    provider = registry.providers["sample"]
    make, serve = _module(folder / "make.py"), _module(folder / "serve.py")
    if not (site / "zones.geojson").exists():
        make.make(site)
    try:
        server = serve.serve(site, provider.port)
    except OSError as exc:
        raise UsageError(f"port {provider.port} is taken: choose another", where=sources["sample"]) from exc
    threading.Thread(target=server.serve_forever, daemon=True).start()
    show.line(f"sample provider at http://{provider.host}:{provider.port}/viirs/")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _stack(session: Session, workers: int) -> Iterator[None]:
    """A stack that is up: the one that is, or one for as long as the block runs."""
    from pileus.embedded.supervisor import start_detached, stop_supervisor

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
    apply(session.edges, session.workflows, session.schedules, written)
    changed = sum(change != "unchanged" for _, _, change in changes)
    show.line(f"populated {len(changes)} documents, {changed} of them new or changed")
    return written


def _show(session: Session) -> None:
    from pileus.outputs.read import objects, read_stats

    table = read_stats(session.edges.store, session.stack.protected, COLLECTION)
    if table.num_rows:
        columns = ("zone", "period", "count", "mean", "min", "max", "stddev", "valid_share")
        rows = table.sort_by([("zone", "ascending"), ("period", "ascending")]).to_pylist()
        show.table(columns, ([row[name] for name in columns] for row in rows))
    for url, _ in objects(session.edges.store, session.stack.protected, COLLECTION):
        show.line(url)


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None  # a .py file always has one
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

"""pileus granules: the granules of a collection, and what is done with them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pileus.cli import complete, show
from pileus.cli.app import app
from pileus.cli.runs import Wait, told
from pileus.cli.session import Session

if TYPE_CHECKING:
    from pileus.models import State

commands = typer.Typer(help="Granules: look, and have them done again, moved or removed.", no_args_is_help=True)
app.add_typer(commands, name="granules")
Collection = Annotated[str, typer.Argument(autocompletion=complete.collections, help="Collection.")]
Version = Annotated[str | None, typer.Option("--version", help="Version of the collection; the highest.")]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids of granules.")]
File = Annotated[Path | None, typer.Option("--file", help="File with an id a line, or a JSON list of them.")]
OfState = Annotated[str | None, typer.Option("--state", help="Only those in this state, as failed.")]
Begins = Annotated[str, typer.Option("--begins", help="Only those whose id begins so.")]
Every = Annotated[bool, typer.Option("--all", help="All granules of the collection.")]
RunId = Annotated[str | None, typer.Option("--id", help="Id of the run; the same id does it once.")]


@commands.command("list", epilog="Example: pileus granules list viirs_sample --state failed")
def list_granules(
    collection: Collection,
    state: OfState = None,
    begins: Begins = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most that are listed.")] = 100,
    version: Version = None,
    json: show.Json = False,
) -> None:
    """List granules in the order of their ids, with the state of what last worked on each."""
    from itertools import islice

    granules = Session().client.granules
    found = [*islice(granules.all(collection, version, state=_state(state), begins=begins), limit + 1)]
    if json:
        show.as_json([one.to_json() for one in found[:limit]])
    elif not found:
        show.line("no granules: a collection with granuleIdExtraction has some once it was backfilled")
    else:
        columns = ("id", "state", "files", "of", "updated", "why")
        rows = [(g.id, g.state or "gone", len(g.files), g.subject, g.updated, g.why) for g in found[:limit]]
        show.table(columns, rows)
        if len(found) > limit:
            show.line("... and more: raise --limit", style="dim")


@commands.command("show", epilog="Example: pileus granules show viirs_sample SVDNB_npp_20150101")
def show_granule(
    collection: Collection,
    id: Annotated[str, typer.Argument(help="Id of the granule.")],
    version: Version = None,
    json: show.Json = False,
) -> None:
    """Show one granule: its state, its files and where they are, and older files that are kept."""
    found = Session().client.granules.show(collection, id, version)
    if json:
        show.as_json(found.to_json())
        return
    for name in ("id", "collection", "version", "state", "why", "subject", "updated"):
        if value := getattr(found, name):
            show.line(f"{name:10}  {value}")
    show.table(
        ("file", "bytes", "checksum", "where"),
        [row for one in found.files for row in _rows(one)],
    )


def _rows(file: Any) -> list[tuple[Any, ...]]:
    """Return the row of a file, and those of its older ones."""
    now = (file.name, file.size if file.size is not None else "", file.checksum or "", file.url)
    return [now, *(("  before", "", "", url) for url in file.previous)]


@commands.command(epilog="Example: pileus granules reingest viirs_sample --state failed --wait")
def reingest(
    collection: Collection,
    ids: Ids = None,
    file: File = None,
    state: OfState = None,
    begins: Begins = "",
    every: Every = False,
    version: Version = None,
    id: RunId = None,
    wait: Wait = False,
    json: show.Json = False,
) -> None:
    """Process granules again: their groups in a backfill, or the workflow that last worked on each."""
    wanted = _which(collection, version, ids, file, state, begins, every)
    _act({"action": "reingest"} | wanted, id, wait, json)


@commands.command("apply-workflow", epilog="Example: pileus granules apply-workflow viirs_sample Publish ID --wait")
def apply_workflow(
    collection: Collection,
    workflow: Annotated[str, typer.Argument(autocompletion=complete.workflows, help="Workflow of the project.")],
    ids: Ids = None,
    file: File = None,
    state: OfState = None,
    begins: Begins = "",
    every: Every = False,
    meta: Annotated[str, typer.Option(help="JSON that is added to meta of the message.")] = "{}",
    version: Version = None,
    id: RunId = None,
    wait: Wait = False,
    json: show.Json = False,
) -> None:
    """Hand each granule to a workflow, as a Cumulus message."""
    wanted = _which(collection, version, ids, file, state, begins, every)
    _act({"action": "apply-workflow", "workflow": workflow, "meta": _object(meta)} | wanted, id, wait, json)


@commands.command(epilog="Example: pileus granules move viirs_sample ID --to protected:moved/{granule.granuleId}")
def move(
    collection: Collection,
    ids: Ids = None,
    to: Annotated[
        list[str] | None, typer.Option("--to", help="BUCKET:FOLDER, or REGEX=BUCKET:FOLDER for files of one kind.")
    ] = None,
    file: File = None,
    state: OfState = None,
    begins: Begins = "",
    every: Every = False,
    version: Version = None,
    id: RunId = None,
    wait: Wait = False,
    json: show.Json = False,
) -> None:
    """Move the kept files of granules, and tell whoever names them."""
    wanted = _which(collection, version, ids, file, state, begins, every)
    _act({"action": "move", "destinations": [_destination(one) for one in to or ()]} | wanted, id, wait, json)


@commands.command(epilog="Example: pileus granules remove viirs_sample ID")
def remove(
    collection: Collection,
    ids: Ids = None,
    file: File = None,
    state: OfState = None,
    begins: Begins = "",
    every: Every = False,
    version: Version = None,
    id: RunId = None,
    wait: Wait = False,
    json: show.Json = False,
) -> None:
    """Delete granules with their kept files. What was measured in them stays."""
    wanted = _which(collection, version, ids, file, state, begins, every)
    _act({"action": "remove"} | wanted, id, wait, json)


@commands.command(epilog="Example: pileus granules outcomes reingest-0a1b2c3d --failed")
def outcomes(
    id: Annotated[str, typer.Argument(help="Id of the run, as the other commands print it.")],
    failed: Annotated[bool, typer.Option("--failed", help="Only those that failed.")] = False,
    json: show.Json = False,
) -> None:
    """Show what came of each granule."""
    key = id.rpartition("/")[2]
    found = [one for one in Session().client.granules.outcomes(key) if not (failed and one.done)]
    if json:
        show.as_json([{name: getattr(one, name) for name in one.__slots__} for one in found])
    else:
        rows = [(one.id, "done" if one.done else "failed", one.detail or one.owed) for one in found]
        show.table(("id", "outcome", "detail"), rows)


def _act(wanted: dict[str, Any], id: str | None, wait: bool, json: bool) -> None:
    session = Session()
    told(session, session.client.granules.act(wanted, id), wait, json)


def _which(
    collection: str,
    version: str | None,
    ids: Sequence[str] | None,
    file: Path | None,
    state: str | None,
    begins: str,
    every: bool,
) -> dict[str, Any]:
    """Return the part of a wish that tells which granules are meant."""
    given = [*(ids or ()), *(_listed(file) if file else ())]
    told = {"ids": given, "state": state, "begins": begins, "every": every, "version": version}
    return {"collection": collection} | {name: value for name, value in told.items() if value}


def _listed(file: Path) -> list[str]:
    from pileus.errors import DocumentError
    from pileus.strict_json import parse_json

    try:
        text = file.read_text()
        found = parse_json(text) if text.lstrip().startswith("[") else text.split()
    except (OSError, ValueError) as exc:
        raise DocumentError(f"cannot be read: {exc}", where=str(file)) from exc
    return [str(one) for one in found]


def _object(text: str) -> dict[str, Any]:
    from pileus.errors import UsageError
    from pileus.strict_json import parse_json

    try:
        found = parse_json(text)
    except ValueError as exc:
        raise UsageError(f"--meta is no JSON: {exc}") from exc
    if not isinstance(found, dict):
        raise UsageError("--meta: expected a JSON object")
    return found


def _destination(text: str) -> dict[str, str]:
    """Return what `REGEX=BUCKET:FOLDER` says.

    >>> _destination("[.]hdf$=protected:a/b")
    {'regex': '[.]hdf$', 'bucket': 'protected', 'filepath': 'a/b'}
    """
    from pileus.errors import UsageError

    regex, equals, place = text.rpartition("=")
    bucket, colon, folder = place.partition(":")
    if not colon:
        raise UsageError(f"--to {text}: expected BUCKET:FOLDER or REGEX=BUCKET:FOLDER")
    return {"regex": regex if equals else ".*", "bucket": bucket, "filepath": folder}


def _state(text: str | None) -> "State | None":
    from pileus.cli.runs import state_of

    return state_of(text)

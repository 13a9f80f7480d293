"""pileus feed: the payloads of a feeder, handed in to the stack."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.pairs import pairs
from pileus.cli.session import Session

if TYPE_CHECKING:
    from pileus.feeders.feed import Fed
    from pileus.feeders.registry import Feeder

EVERY = 100
"""Payloads after which it says how many there were."""
KEPT = 1000
"""Most that were not started that `--json` lists."""
INTERRUPTED = 130


@app.command(epilog="Example: pileus feed stac-search --param url=URL --param process=@process.json --dry-run")
def feed(
    name: Annotated[str | None, typer.Argument(help="Feeder; without it all feeders are listed.")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="A parameter; @FILE for a file's text; may be given again."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Also what has succeeded or is invalid.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be handed in; write nothing.")] = False,
    json: show.Json = False,
) -> None:
    """Hand in each payload that a feeder yields. The exit code is 1 where one was invalid."""
    from pileus.feeders.registry import feeder_of, feeders

    session = Session()
    folder = _folder(session)
    if name is None:
        _list(feeders(folder), json)
        return
    feeder = feeder_of(name, folder)
    given = feeder.checked(_given(param or ()))
    found = _fed(session, feeder, given, replace=replace, dry_run=dry_run)
    counts, unlike = _told(name, found, dry_run=dry_run, quiet=json)
    show.answer(json, {"feeder": name, "dry_run": dry_run} | counts | {"others": unlike}, _line(counts, dry_run))
    if counts["invalid"]:
        raise typer.Exit(1)


def _fed(session: Session, feeder: "Feeder", given: dict[str, Any], *, replace: bool, dry_run: bool) -> "Iterator[Fed]":
    from pileus.feeders.feed import feed, look

    needed = {one: session.client if one == "client" else _store(session) for one in feeder.needs}
    payloads = feeder.function(**given, **needed)
    if dry_run:
        return look(payloads)
    runs, replace = session.client.runs, replace or feeder.replaces
    return feed(payloads, lambda payload: runs.process(payload, replace=replace))


def _told(name: str, found: "Iterator[Fed]", *, dry_run: bool, quiet: bool) -> tuple[dict[str, int], list[Any]]:
    """Say what comes of the payloads while they are handed in, unless `quiet`. Return the counts, and those that were
    not started.
    """
    counts, others = {"started": 0, "skipped": 0, "invalid": 0}, list[Any]()
    try:
        for number, one in enumerate(found, 1):
            counts[one.outcome] += 1
            if one.outcome != "started" and len(others) < KEPT:
                others.append(one.to_json())
            if one.outcome == "invalid" and not quiet:
                show.errors.print(f"invalid: {one.id}: {one.why}", markup=False, soft_wrap=True)
            elif dry_run and not quiet:
                show.line(one.id)
            if number % EVERY == 0 and not quiet:
                show.errors.print(_line(counts, dry_run), markup=False, soft_wrap=True)
    except KeyboardInterrupt:
        again = f"{_line(counts, dry_run)}; broken off: `pileus feed {name}` again goes on, and skips what was started"
        show.errors.print(again, markup=False, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    except BaseException:
        show.errors.print(_line(counts, dry_run), markup=False, soft_wrap=True)
        raise
    return counts, others


def _line(counts: dict[str, int], dry_run: bool) -> str:
    if dry_run:
        return f"{counts['started']} would be handed in, {counts['invalid']} invalid"
    return f"{counts['started']} started, {counts['skipped']} skipped, {counts['invalid']} invalid"


def _list(found: "list[Feeder]", json: bool) -> None:
    if json:
        show.as_json([{"name": one.name, "summary": one.summary, "parameters": list(one.parameters)} for one in found])
        return
    show.table(
        ("feeder", "parameters", "what it yields"),
        [(one.name, ", ".join(one.parameters), one.summary) for one in found],
    )


def _folder(session: Session) -> Path | None:
    """Return feeders/ of the project; None outside of one."""
    from pileus.errors import UsageError

    try:
        return session.project.root / "feeders"
    except UsageError:
        return None


def _store(session: Session) -> Any:
    """Return the objects in S3: of the stack's account, else of that of the environment."""
    from pileus.edges.aws import Aws
    from pileus.edges.store import S3Store
    from pileus.errors import UsageError

    try:
        return S3Store(session.aws.s3)
    except UsageError:  # there is no project here
        return S3Store(Aws().s3)


def _given(texts: "list[str] | tuple[str, ...]") -> dict[str, str]:
    from pileus.cli.json_file import read_file

    return {
        name: read_file(Path(value[1:])).decode("utf-8", "replace") if value.startswith("@") else value
        for name, value in pairs("--param", texts).items()
    }

"""pileus runs: runs of processes and of workflows, and the partitions of backfills as runs."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import complete, show
from pileus.cli import logs as log
from pileus.cli.app import app
from pileus.cli.json_file import read_object
from pileus.cli.session import Session
from pileus.cli.table_file import writer

if TYPE_CHECKING:
    from pileus.models import State
    from pileus.runs import Run

commands = typer.Typer(
    help="Runs of processes and workflows: start, watch, stop, and take their results.", no_args_is_help=True
)
app.add_typer(commands, name="runs")
Key = Annotated[str, typer.Argument(help="Key of a run, as `pileus runs list` shows it; or of a partition.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it ends; the exit code is 1 unless it succeeds.")]
POLL_SECONDS = 0.5
SHOWN = 40
"""Most rows that are printed; a file gets all."""


@commands.command(epilog="Example: pileus runs start zonal-statistics --input inputs.json --wait")
def start(
    process: Annotated[str, typer.Argument(autocompletion=complete.processes, help="Process, or workflow:NAME.")],
    input: Annotated[Path, typer.Option("--input", help="Its inputs, or the document: a JSON file.")],
    id: Annotated[str | None, typer.Option("--id", help="Id of the run; the same id and inputs start it once.")] = None,
    wait: Wait = False,
    json: show.Json = False,
) -> None:
    """Start a run of a process, or of a workflow over a document, and print its key."""
    inputs = read_object(input, "an object with the inputs")
    session = Session()
    told(session, session.client.runs.start(process, inputs, id), wait, json)


@commands.command("list", epilog="Example: pileus runs list zonal-statistics --state failed")
def list_runs(
    process: Annotated[
        str | None,
        typer.Argument(
            autocompletion=complete.processes,
            help="Process, workflow:NAME, or COLLECTION/VERSION/YEAR; without it all processes.",
        ),
    ] = None,
    state: Annotated[str | None, typer.Option(help="Only those in this state, as failed.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most that are listed of each process.")] = 100,
    json: show.Json = False,
) -> None:
    """List runs, those of a process or a workflow newest first."""
    session, wanted = Session(), state_of(state)
    of = [process] if process else [one.id for one in session.client.runs.processes()]
    found = [run for one in of for run in _listed(session, one, wanted, limit)]
    if json:
        show.as_json([run.to_json() for run in found])
    elif not found:
        show.line("no runs")
    else:
        columns = ("key", "state", "run", "attempt", "updated", "why")
        show.table(columns, [(r.key, r.state, r.number, r.attempt, r.updated, _why(r)) for r in found])


def _listed(session: Session, of: str, state: "State | None", limit: int) -> "list[Run]":
    from itertools import islice

    return list(islice(session.client.runs.all(of, state=state), limit))


def state_of(text: str | None) -> "State | None":
    from pileus.errors import UsageError
    from pileus.models import State
    from pileus.near import unknown

    if text is not None and text not in [*State]:
        raise UsageError(unknown("state", text, [*State]))
    return State(text) if text is not None else None


def _why(run: "Run") -> str:
    return str(run.failure) if run.failure else run.reason


@commands.command("show", epilog="Example: pileus runs show request:zonal-statistics/mine")
def show_run(key: Key, json: show.Json = False) -> None:
    """Show one run: its state, its times, and where its input and its result are."""
    run = Session().client.runs.show(key)
    if json:
        show.as_json(run.to_json())
        return
    for name, value in run.to_json().items():
        if value not in (None, "", 0, 0.0) and name != "failure":
            show.line(f"{name:10}  {value}")
    if run.failure:
        show.line(f"failure     {run.failure}", "red")


@commands.command("input", epilog="Example: pileus runs input payload:viirs/workflow-publish/a")
def input_document(key: Key, json: show.Json = True) -> None:  # noqa: ARG001 - a document is JSON
    """Show the input document of a run: of a payload, the payload."""
    show.as_json(Session().client.runs.input(key))


@commands.command(epilog="Example: pileus runs output payload:viirs/workflow-publish/a")
def output(key: Key, json: show.Json = True) -> None:  # noqa: ARG001 - a document is JSON
    """Show the document that a run has put out: of a payload, the payload that its workflow made."""
    show.as_json(Session().client.runs.result(key))


@commands.command(epilog="Example: pileus runs events payload:viirs/workflow-publish/a")
def events(key: Key, json: show.Json = False) -> None:
    """List what has happened to a run, and what its execution did, oldest first."""
    found = [event.to_json() for event in Session().client.runs.events(key)]
    if json:
        show.as_json(found)
    else:
        show.table(("time", "run", "what", "text"), [tuple(event.values()) for event in found])


@commands.command(epilog="Example: pileus runs logs request:zonal-statistics/mine")
def logs(key: Key, json: show.Json = False) -> None:
    """Show what workers wrote about a run. What a Lambda wrote is in its own log group."""
    log.told(Session().client.runs.logs(key), json, "no worker has written about it")


@commands.command(epilog="Example: pileus runs result request:zonal-statistics/mine -o rows.csv")
def result(
    key: Key,
    output: Annotated[str | None, typer.Option("--output", "-o", help="Write rows to a .csv or .parquet.")] = None,
    json: show.Json = False,
) -> None:
    """Show the rows that a run has made, or what its workflow put out; with --json its result document."""
    from pileus.subject import parse_subject

    write = writer(output)
    runs = Session().client.runs
    document = runs.result(key)
    json = json or (write is None and parse_subject(key).kind in ("workflow", "payload"))
    if write or not json:
        table = runs.rows(key)
    if write:
        write(table)
    if json:
        show.as_json(document)
    elif not write:
        rows = table.slice(0, SHOWN if show.console.is_terminal else None).to_pylist()
        show.table(table.column_names, [list(row.values()) for row in rows])
        if len(rows) < table.num_rows:
            show.line(f"... and {table.num_rows - len(rows)} more: write them with -o", style="dim")
    for note in document.get("notes", ()) if isinstance(document, dict) else ():
        show.errors.print(f"note: {note}", style="dim", markup=False, soft_wrap=True)


@commands.command(epilog="Example: pileus runs stop request:zonal-statistics/mine")
def stop(key: Key, json: show.Json = False) -> None:
    """Stop a run at once. A worker that has it stops within two seconds."""
    stopped = Session().client.runs.stop(key)
    show.answer(json, stopped.to_json(), f"{key} is {stopped.state}")


@commands.command(epilog="Example: pileus runs rerun request:zonal-statistics/mine --wait")
def rerun(key: Key, wait: Wait = False, json: show.Json = False) -> None:
    """Run it again with the same inputs, once it has ended."""
    session = Session()
    told(session, session.client.runs.rerun(key), wait, json)


def told(session: Session, run: "Run", wait: bool, json: bool) -> None:
    """Print that a run goes on. With `wait`, wait for its end, and exit with its code."""
    from pileus.models import State

    if not json:
        show.line(f"{run.key} is {run.state}, run {run.number}")
    while wait and run.ended is None:
        time.sleep(POLL_SECONDS)
        run = session.client.runs.show(run.key)
    if json:
        show.as_json(run.to_json())
    elif wait:
        why = f": {_why(run)}" if _why(run) else ""
        show.line(f"{run.key} is {run.state} after {show.seconds(run.seconds)}{why}")
    if wait and run.state is not State.succeeded:
        raise typer.Exit(1)

"""pileus request: one request of Stratus, here over nodes, or at a server or a stack."""

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.session import Session

if TYPE_CHECKING:
    from pileus.stratus.graph import Graph
    from pileus.stratus.service import Progress, Service


@app.command(epilog="Example: pileus request mean.json --node node.ini --output mean.nc")
def request(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A request; - for standard input.", allow_dash=True)],
    node: Annotated[
        Path | None, typer.Option("--node", metavar="SETTINGS", help="Do it here, over the nodes of these settings.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it ends; the exit code is 1 unless it has succeeded.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File for its result, or folder for several; waits.")
    ] = None,
    form: Annotated[
        str | None, typer.Option(help="netcdf, parquet, json or geotiff; if not given, by the output's ending.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Only draw its graph, as .svg or .dot; with --node by who does what.")
    ] = None,
    json: show.Json = False,
) -> None:
    """Start a request: over nodes here, else at the server of PILEUS_URL, else at this project's stack.

    A request that names the same id again finds the first. Inputs file:///PATH are uploaded.
    """
    from pileus.cli.json_file import read_json
    from pileus.errors import UsageError
    from pileus.nodes import ask
    from pileus.nodes.settings import read_settings
    from pileus.stratus.graph import graph_of
    from pileus.stratus.request import StratusRequest

    asked = ask.named(StratusRequest.from_json(read_json(file)))
    graph, settings = graph_of(asked), read_settings(node) if node else None
    if picture:
        ask.draw(graph, settings, picture)
        show.answer(json, {"wrote": str(picture)}, f"wrote {picture}")
        return
    as_form = ask.form_of(form, output)
    if settings and not output:
        raise UsageError("what is made here is gone at the end: give --output FILE")
    with ExitStack() as stack:
        service = stack.enter_context(ask.alone(settings)) if settings else Session().client.graphs
        begun = service.start(asked if settings else ask.with_files(asked, service))
        if (wait or output) and not json:
            show.line(f"{begun.rid} is {begun.state}")  # by its id it can be found, whatever comes
        ended = _followed(service, begun, graph) if wait or output else begun
        files = ask.write_results(service, ended, output, as_form) if output and not _wrong(ended) else []
    _tell(ended, [str(path) for path in files], waited=bool(wait or output), json=json)


def _followed(service: "Service", begun: "Progress", graph: "Graph") -> "Progress":
    """Return where a request stands when it has ended. Meanwhile a terminal shows how far it is."""
    from rich.status import Status

    from pileus.nodes.ask import followed, wave_of

    now, last = begun, -1
    with Status("", console=show.errors) if show.errors.is_terminal else ExitStack() as status:
        for now in followed(service, begun, threading.Event()):
            if isinstance(status, Status) and now.done != last:
                wave, waves = wave_of(graph, now.done)
                status.update(
                    f"{now.rid} is {now.state}: {now.done} of {now.operations} operations, wave {wave} of {waves}"
                )
                last = now.done
    return now


def _wrong(ended: "Progress") -> bool:
    from pileus.models import State

    return ended.state.ended and ended.state is not State.succeeded


def _tell(ended: "Progress", files: list[str], *, waited: bool, json: bool) -> None:
    """Print where a request stands. Exits with 1 where it has failed or was stopped."""
    told: dict[str, Any] = {
        "rid": ended.rid,
        "cid": ended.cid,
        "state": ended.state,
        "done": ended.done,
        "operations": ended.operations,
        "outputs": list(ended.outputs),
        "why": ended.why,
        "files": files,
    }
    why = f": {ended.why}" if ended.why else ""
    so_far = f", {ended.done} of {ended.operations} operations" if waited or ended.done else ""
    show.answer(json, told, f"{ended.rid} is {ended.state}{so_far}{why}", *(f"wrote {path}" for path in files))
    if _wrong(ended):
        raise typer.Exit(1)

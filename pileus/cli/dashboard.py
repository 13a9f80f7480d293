"""pileus dashboard: a page to look at outputs and backfills."""

import signal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.session import Session

if TYPE_CHECKING:
    from pileus.dashboard.server import Action


@app.command(epilog="Example: pileus dashboard --read-only")
def dashboard(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any free one.")] = 8765,
    read_only: Annotated[bool, typer.Option("--read-only", help="Hide the buttons that change a backfill.")] = False,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Serve a page with maps, series and backfills on 127.0.0.1, until Ctrl-C.

    The address that is printed holds a key, as other users of the machine can reach the port. Keep it to yourself.
    """
    from pileus.backfills.control import settle
    from pileus.dashboard.server import Dashboard, new_key
    from pileus.errors import UsageError

    session = Session()
    edges, workflows = session.edges, session.workflows
    try:
        server = Dashboard(
            edges,
            port=port,
            actions=_actions(session),
            read_only=read_only,
            settle=lambda backfill: settle(edges, workflows, backfill),
            key=session.home.secret("page-key", new_key),
        )
    except OSError as exc:
        raise UsageError(f"port {port} cannot be opened: {exc.strerror}; choose another with --port") from exc
    try:
        for name in (signal.SIGTERM, signal.SIGHUP):  # a shell script that starts it with `&` makes it ignore SIGINT
            if signal.getsignal(name) is not signal.SIG_IGN:
                signal.signal(name, signal.default_int_handler)
        show.line(f"dashboard at {server.url}{' (read-only)' if read_only else ''}; Ctrl-C stops it")
        if open_:
            typer.launch(server.url)
        server.serve_forever()
    except KeyboardInterrupt:
        show.line("stopped")
    finally:
        server.server_close()


def _actions(session: Session) -> dict[str, "Action"]:
    from pileus.backfills import control

    def act(change: Any) -> "Action":
        return lambda id: change(session.edges, session.workflows, id)

    return {name: act(getattr(control, name)) for name in ("pause", "resume", "cancel", "retry")}

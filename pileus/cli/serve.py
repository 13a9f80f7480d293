"""pileus serve: the HTTP API and the page."""

import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.session import Session

if TYPE_CHECKING:
    from uvicorn import Server


@app.command(epilog="Example: pileus serve --port 8765")
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any free one.")] = 8765,
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    host: Annotated[list[str] | None, typer.Option(help="Another name that requests may call this server.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Serve requests of Stratus alone, with no stack: they lie in this folder.")
    ] = None,
) -> None:
    """Serve the HTTP API of this project's stack, and the page, until Ctrl-C.

    Everybody needs a token: `pileus token add NAME --role operate` makes one.
    """
    if folder:
        from pileus.nodes.serve import serve as serve_node
        from pileus.nodes.wire import built_in

        serve_node(built_in(folder, port, address, host or ()), folder, show.line)
        show.line("stopped")
        return
    from pileus.api.roles import Role, new_token

    session = Session()
    run(session, port=port, address=address, names=set(host or ()), own=new_token(), role=Role.admin.name, word="API")


def run(
    session: Session,
    *,
    port: int,
    own: str,
    role: str,
    word: str,
    address: str = "127.0.0.1",
    names: set[str] | None = None,
    open_: bool = False,
) -> None:
    """Serve until a signal. Prints the page's address with `own`, a token of the role `role` beside those of others.

    With the role read, nobody may do more.
    """
    from getpass import getuser

    from pileus.api.listen import check_installed, listening
    from pileus.api.roles import Role, TokenFile

    check_installed()
    from pileus.api.serve import LocalAuthority, server

    mine = Role[role]
    most = Role.read if mine is Role.read else Role.admin
    authority = LocalAuthority(TokenFile(session.home.path / "tokens.json"), own, mine, getuser(), most)
    with listening(address, port) as bound:
        at = f"http://{'127.0.0.1' if address in ('0.0.0.0', '127.0.0.1') else address}:{bound.getsockname()[1]}"
        session.home.make()
        session.home.logs.mkdir(exist_ok=True)
        audit = session.home.logs / "audit.log"
        made = server(
            session.services, authority, bound, names=names or set(), audit=audit, deployment=session.deployment
        )
        note = " (read-only)" if mine is Role.read else ""
        with suppress(KeyboardInterrupt):
            _end_on_signals(made)
            show.line(f"{word} at {at}/app/sign-in?token={own}{note}; Ctrl-C stops it")
            if open_:
                typer.launch(f"{at}/app/sign-in?token={own}")
            made.run(sockets=[bound])
    show.line("stopped")


def _end_on_signals(made: "Server") -> None:
    """End as on Ctrl-C, which uvicorn does by itself, also on SIGTERM and SIGHUP, unless that is ignored as by nohup.

    uvicorn ends in order on SIGTERM too, and raises it again afterwards.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, made.handle_exit)

"""pileus serve: the HTTP API and the page."""

import socket
from typing import Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.session import Session


@app.command(epilog="Example: pileus serve --port 8765")
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any free one.")] = 8765,
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    host: Annotated[list[str] | None, typer.Option(help="Another name that requests may call this server.")] = None,
) -> None:
    """Serve the HTTP API of this project's stack, and the page, until Ctrl-C.

    Everybody needs a token: `pileus token add NAME --role operate` makes one.
    """
    run(port=port, address=address, names=set(host or ()), read_only=False, open_=False, word="API")


def run(*, port: int, address: str, names: set[str], read_only: bool, open_: bool, word: str) -> None:
    """Serve until a signal. Prints the page's address, with a token that lives as long as the server."""
    from getpass import getuser
    from secrets import token_urlsafe

    from pileus.api.roles import Role, TokenFile
    from pileus.api.serve import LocalAuthority, server
    from pileus.errors import UsageError

    session = Session()
    services, home = session.services, session.home
    own, role = token_urlsafe(32), Role.read if read_only else Role.admin
    authority = LocalAuthority(TokenFile(home.path / "tokens.json"), own, role, getuser())
    bound = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((address, port))
    except OSError as exc:
        bound.close()
        raise UsageError(f"port {port} cannot be opened: {exc.strerror}; choose another with --port") from exc
    at = f"http://{'127.0.0.1' if address in ('0.0.0.0', '127.0.0.1') else address}:{bound.getsockname()[1]}"
    home.logs.mkdir(exist_ok=True)
    audit = home.logs / "audit.log"
    made = server(services, authority, bound, names=names, audit=audit, deployment=session.deployment)
    note = " (read-only)" if read_only else ""
    show.line(f"{word} at {at}/app/sign-in?token={own}{note}; Ctrl-C stops it")
    if open_:
        typer.launch(f"{at}/app/sign-in?token={own}")
    with bound:
        made.run(sockets=[bound])
    show.line("stopped")

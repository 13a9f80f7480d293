"""pileus serve: the HTTP API and the page."""

import signal
import socket
from contextlib import suppress
from importlib.util import find_spec
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
) -> None:
    """Serve the HTTP API of this project's stack, and the page, until Ctrl-C.

    Everybody needs a token: `pileus token add NAME --role operate` makes one.
    """
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

    from pileus.api.roles import Role, TokenFile

    _check_installed()
    from pileus.api.serve import LocalAuthority, server

    mine = Role[role]
    most = Role.read if mine is Role.read else Role.admin
    authority = LocalAuthority(TokenFile(session.home.path / "tokens.json"), own, mine, getuser(), most)
    with _bound(address, port) as bound:
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


def _check_installed() -> None:
    """Raises UsageError where the extra is not installed."""
    from pileus.errors import UsageError

    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise UsageError("the API and the page need the extra api: pip install 'pileus[api]'")


def _bound(address: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises UsageError where it cannot be."""
    from pileus.errors import UsageError

    bound = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((address, port))
        bound.listen()  # whoever reads the address may ask at once
    except OSError as exc:
        bound.close()
        raise UsageError(f"port {port} cannot be opened: {exc.strerror}; choose another with --port") from exc
    return bound


def _end_on_signals(made: "Server") -> None:
    """End as on Ctrl-C, which uvicorn does by itself, also on SIGTERM and SIGHUP, unless that is ignored as by nohup.

    uvicorn ends in order on SIGTERM too, and raises it again afterwards.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, made.handle_exit)

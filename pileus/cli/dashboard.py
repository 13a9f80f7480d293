"""pileus dashboard: a page to look at outputs and backfills."""

from typing import Annotated

import typer

from pileus.cli import serve
from pileus.cli.app import app
from pileus.cli.session import Session


@app.command(epilog="Example: pileus dashboard --read-only")
def dashboard(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any free one.")] = 8765,
    read_only: Annotated[bool, typer.Option("--read-only", help="Only look: nothing can be changed.")] = False,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Serve a page with maps, series and backfills on 127.0.0.1, until Ctrl-C.

    It is the server of `pileus serve`. The address that is printed signs in, and stays that of the project, as other
    users of the machine can reach the port. Keep it to yourself.
    """
    from pileus.api.roles import Role, new_token

    session = Session()
    role = Role.read if read_only else Role.operate
    key = session.home.secret("page-key", new_token)
    serve.run(session, port=port, own=key, role=role.name, open_=open_, word="dashboard")

"""pileus down: stop what `pileus up` started."""

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.session import Session


@app.command(epilog="Example: pileus down")
def down(json: show.Json = False) -> None:
    """Stop what `pileus up` started. Running groups return to their queue; finished results stay."""
    from pileus.embedded.control import stop_supervisor

    stopped = stop_supervisor(Session().home)
    show.answer(json, {"stopped": stopped}, "stopped" if stopped else "nothing was running")

"""pileus down: stop what `pileus up` started."""

from pileus.cli.app import app
from pileus.cli.session import Session
from pileus.cli.show import line


@app.command(epilog="Example: pileus down")
def down() -> None:
    """Stop what `pileus up` started. Workers hand back what is under way; nothing that was finished is lost."""
    from pileus.embedded.supervisor import stop_supervisor

    line("stopped" if stop_supervisor(Session().home) else "nothing was running")

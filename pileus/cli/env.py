"""pileus env: the variables by which AWS's own tools find the embedded stack."""

import shlex

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.session import Session


@app.command(epilog="Example: pileus env")
def env(json: show.Json = False) -> None:
    """Print the variables by which AWS's own tools, and Cirrus's, find the embedded stack, as lines for `eval`.

    They hold its access key, which is worth nothing anywhere else.
    """
    from pileus.errors import UsageError

    session = Session()
    session.alone()
    running = session.home.running()
    if running is None or not running.ready:
        raise UsageError("no stack is up: run `pileus up --detach`")
    found = {"AWS_ENDPOINT_URL": running.endpoint, **running.credentials.to_env()}
    found["AWS_DEFAULT_REGION"] = found["AWS_REGION"]
    if json:
        show.as_json(found)
    else:
        for name, value in found.items():
            show.line(f"export {name}={shlex.quote(value)}")

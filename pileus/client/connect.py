"""Connect: the client of a stack, wherever it is."""

import os
from getpass import getuser
from pathlib import Path
from typing import Any

from pileus.client.client import Client
from pileus.errors import UsageError


def connect(source: str | Path | None = None, token: str | None = None) -> Client:
    """Return the client of a stack.

    `source` is the address of a server (`pileus serve`, or the API on AWS), or the folder of a project whose embedded
    stack is up; None: PILEUS_URL of the environment, else the current folder. `token`: of a server; None: PILEUS_TOKEN.
    Raises UsageError where no stack is.

    >>> connect("http://127.0.0.1:8765", "token").backfills
    RemoteBackfills(http=Http('http://127.0.0.1:8765'))
    """
    source = source if source is not None else os.environ.get("PILEUS_URL", ".")
    if "://" in str(source):
        from pileus.client.remote import RemoteClient

        return RemoteClient(str(source), token if token is not None else os.environ.get("PILEUS_TOKEN", ""))
    return _local(Path(source))


def _local(folder: Path) -> Client:
    from pileus.client.local import LocalClient
    from pileus.client.services import Services
    from pileus.edges.aws import Stack
    from pileus.edges.logs import FolderLogs
    from pileus.embedded.home import Home
    from pileus.project.folder import find_project
    from pileus.wiring import wire

    home = Home(find_project(folder.resolve()).root)
    running = home.running()
    if running is None or not running.ready:
        raise UsageError("no stack is up: run `pileus up --detach`", where=str(folder))
    edges = wire(os.environ, running.aws, Stack.from_env(running.stack), home.project / "endpoints")
    return LocalClient(Services(running.aws, edges, FolderLogs(home.logs)), _deployment, getuser())


def _deployment() -> Any:
    from pileus.deploy.synth import check_settings, read_settings

    return check_settings(read_settings(os.environ))

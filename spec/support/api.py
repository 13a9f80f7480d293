"""The HTTP API under a real uvicorn, on 127.0.0.1, for specs; and somebody who asks it without a browser."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pileus.api.roles import Role, TokenFile
from pileus.api.serve import LocalAuthority, server
from pileus.client.services import Services
from pileus.edges.aws import Aws
from pileus.edges.logs import FolderLogs
from pileus.edges.workflows import Happened, Outcome
from pileus.wiring import Edges
from spec.support.stack import Project

OWN = "the token of the server itself"


class NoWorkflows:
    """No workflow is there. An execution that an index names goes on for ever."""

    def exists(self, workflow: str) -> bool:
        return False

    def definition(self, workflow: str) -> dict[str, Any] | None:
        return None

    def status(self, execution: str) -> str:
        return "RUNNING"

    def outcome(self, execution: str) -> Outcome:
        return Outcome("RUNNING")

    def history(self, execution: str) -> list[Happened]:
        return []


class FolderServices(Services):
    """Services of a folder: no workflow, no schedule."""

    @property
    def workflows(self) -> Any:  # type: ignore[override]
        return NoWorkflows()


def folder_services(edges: Edges, logs: Path) -> Services:
    """What reaches edges that need no AWS. Workflows, schedules and queues are not there."""
    return FolderServices(Aws(), edges, FolderLogs(logs))


def stack_services(project: Project) -> Services:
    """What reaches the stack of a project."""
    return Services(project.aws, project.edges, FolderLogs(project.home.logs))


@dataclass
class Answer:
    """Status, headers and body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Asking:
    """A served API, and a token to ask it with."""

    port: int
    audit: Path
    tokens: dict[str, str] = field(default_factory=dict)
    """By role."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __call__(
        self,
        path: str,
        *,
        method: str = "GET",
        role: str | None = "read",
        token: str | None = None,
        body: Any = None,
        **headers: str,
    ) -> Answer:
        """Ask once. `headers`: with underscores for hyphens; one that is empty is left out. `body`: JSON, bytes, or an
        iterator of bytes, whose length is not announced.
        """
        token = token or (self.tokens[role] if role else None)
        given = {"Host": f"127.0.0.1:{self.port}"} | ({"Authorization": f"Bearer {token}"} if token else {})
        raw = isinstance(body, (bytes, type(None))) or hasattr(body, "__next__")
        sent = body if raw else json.dumps(body).encode()
        given |= {"Content-Type": "application/json"} if sent is not None else {}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            line.request(method, path, sent, {name: value for name, value in given.items() if value})
            answer = line.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            line.close()


@contextmanager
def serving(services: Services, folder: Path, deployment: Any = None, *, streams: bool = True) -> Iterator[Asking]:
    """Serve a stack; a token of each role. The server is gone afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    file = TokenFile(folder / "tokens.json")
    tokens = {role.name: file.add(f"spec-{role.name}", role) for role in Role}
    bound = socket.create_server(("127.0.0.1", 0))
    authority = LocalAuthority(file, OWN, Role.admin, "spec")
    audit = folder / "audit.log"
    how: dict[str, Any] = {"names": set(), "audit": audit, "deployment": lambda: deployment, "streams": streams}
    made = server(services, authority, bound, **how)
    thread = threading.Thread(target=made.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        yield Asking(bound.getsockname()[1], audit, tokens)
    finally:
        made.should_exit = True
        thread.join(20)
        bound.close()
        assert not thread.is_alive(), "the server has ended"

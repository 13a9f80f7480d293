"""Scale-in protection: tell ECS not to stop a task that processes a group."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import Protocol
from urllib.parse import urlsplit

log = logging.getLogger("pileus.protection")


class Protection(Protocol):
    """Protection of this task. It never raises: an unprotected worker that is stopped only loses time."""

    def set(self, on: bool) -> None:
        """Ask for protection, or end it."""


class NoProtection:
    """Does nothing: outside ECS nothing scales in."""

    def set(self, on: bool) -> None:
        del on


class EcsProtection:
    """Asks the ECS agent at $ECS_AGENT_URI. `minutes`: after this time ECS ends the protection by itself."""

    def __init__(self, agent: str, *, minutes: int) -> None:
        self._agent = urlsplit(agent)
        self._minutes = min(max(minutes, 1), 2880)

    def set(self, on: bool) -> None:
        wanted = {"ProtectionEnabled": True, "ExpiresInMinutes": self._minutes} if on else {"ProtectionEnabled": False}
        connection = HTTPConnection(self._agent.netloc, timeout=5)
        try:
            path = f"{self._agent.path.rstrip('/')}/task-protection/v1/state"
            connection.request("PUT", path, json.dumps(wanted), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            body = json.loads(answer.read() or b"{}")
            if answer.status != 200 or "failure" in body or "error" in body:
                log.warning("no scale-in protection", extra={"status": answer.status, "answer": body})
        except (OSError, HTTPException, ValueError) as error:
            log.warning("no scale-in protection", extra={"error": str(error)})
        finally:
            connection.close()


def protection_from(environ: Mapping[str, str]) -> Protection:
    """Return the ECS agent's protection where the environment names the agent, else NoProtection."""
    agent = environ.get("ECS_AGENT_URI")
    return EcsProtection(agent, minutes=int(environ.get("PILEUS_PROTECT_MINUTES", "1440"))) if agent else NoProtection()


@contextmanager
def protected(protection: Protection) -> Iterator[None]:
    """Protect the task while the block runs."""
    protection.set(True)
    try:
        yield
    finally:
        protection.set(False)

"""The app under uvicorn, on the laptop."""

import hmac
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from pileus.api.access import Principal
from pileus.api.app import Settings, create_app, create_node_app
from pileus.api.roles import Role, TokenFile
from pileus.client.services import Services
from pileus.stratus.service import Service

GRACE = 3
"""Seconds for which requests may end when the server is told to stop."""


class LocalAuthority:
    """Knows the tokens of a local stack, and the server's own. `most`: nobody may do more here."""

    def __init__(self, tokens: TokenFile, own: str, role: Role, name: str, most: Role = Role.admin) -> None:
        self._tokens, self._own, self._me, self._most = tokens, own, Principal(name, role), most

    def principal(self, token: str) -> Principal | None:
        """Return who has this token; None where nobody has."""
        if hmac.compare_digest(token.encode(), self._own.encode()):
            return self._me
        holder = self._tokens.holder(token)
        return Principal(holder.name, min(holder.role, self._most)) if holder else None


def server(
    services: Services,
    authority: LocalAuthority,
    bound: socket.socket,
    *,
    names: set[str],
    audit: Path,
    deployment: Callable[[], Any],
    streams: bool = True,
) -> uvicorn.Server:
    """Return the server of a socket that is bound.

    `names`: host names beside 127.0.0.1 and localhost; `deployment`: returns the settings that
    costs on AWS are told of; `streams`: whether answers may last.
    """
    hosts = _hosts(bound, names)
    app = create_app(services, authority, Settings(hosts=lambda: hosts, deployment=deployment, streams=streams))
    return _server(app, audit)


def node_server(
    service: Service, authority: LocalAuthority, bound: socket.socket, *, names: set[str], audit: Path
) -> uvicorn.Server:
    """Return the server of a node that runs by itself, for a socket that is bound. `names`: as for `server`."""
    hosts = _hosts(bound, names)
    return _server(create_node_app(service, authority, Settings(hosts=lambda: hosts)), audit)


def _hosts(bound: socket.socket, names: set[str]) -> set[str]:
    """Return what the Host of a request may be."""
    port = bound.getsockname()[1]
    return {f"{name}:{port}" for name in ("127.0.0.1", "localhost", *names)}


def _server(app: FastAPI, audit: Path) -> uvicorn.Server:
    written = logging.FileHandler(audit)
    written.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("pileus.audit")
    log.setLevel(logging.INFO)
    log.addHandler(written)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=GRACE,
            h11_max_incomplete_event_size=64 * 1024,
            lifespan="off",
        )
    )

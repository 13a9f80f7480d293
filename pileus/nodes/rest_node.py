"""The node of type `rest`: the HTTP API of a Pileus, on a laptop or of a stack.

[far]
type = rest                     or rest_client, or openapi
url = https://far.example.org   or host and port
token_env = FAR_TOKEN           variable of the environment that has the token; or token_file = PATH
"""

import os
from pathlib import Path

from pileus.client.remote.graphs import RemoteGraphs
from pileus.client.remote.http import Http
from pileus.errors import DocumentError
from pileus.nodes.service_node import ServiceNode
from pileus.nodes.settings import HERE, Section
from pileus.nodes.types import REST_PORT

PATHS = ("/stratus/core", "/core")
"""Paths with which addresses end in settings for Stratus."""


def rest_node(section: Section) -> ServiceNode:
    """Return the node of a section. Nothing is sent. Raises DocumentError where its token is not there."""
    if section.text("api", "core") != "core":
        raise DocumentError(f"[{section.name}] api: expected core, not {section.text('api')!r}")
    return remote(section, _url(section))


def remote(section: Section, url: str) -> ServiceNode:
    """Return the node of a server. Raises DocumentError where its token is not there, UsageError for no address."""
    return ServiceNode(section.name, RemoteGraphs(Http(url, token_of(section))))


def token_of(section: Section) -> str:
    """Return the token of a section; empty where it names none. Raises DocumentError where that is not there."""
    if name := section.text("token_env"):
        if name not in os.environ:
            raise DocumentError(f"[{section.name}] token_env: the environment has no {name}")
        return os.environ[name]
    path = section.path("token_file", Path())
    if path == Path() or path is None:
        return ""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise DocumentError(f"[{section.name}] token_file: cannot be read", where=str(path)) from exc


def _url(section: Section) -> str:
    """Return the address of the server, without the path of the API."""
    if url := section.text("url") or section.text("host_address"):
        for path in PATHS:
            url = url.rstrip("/").removesuffix(path)
        return url
    return f"http://{section.text('host', HERE)}:{section.number('port', REST_PORT)}"

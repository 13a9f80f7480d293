"""The types of nodes, by the name that settings give them.

A type is one line of `TYPES`. What it names is imported where it is used, so a node whose extra is not installed costs
nothing until its type stands in somebody's settings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

from pileus.errors import DocumentError
from pileus.near import unknown

Kind = Literal["text", "number", "port", "yes", "names", "path", "paths"]
"""What an option holds. `yes`: true or false. `names`: texts, with commas between them. `path`: relative to the folder
of the settings; `paths`: several."""
REST_PORT = 5000
_TOKEN: dict[str, Kind] = {"token_env": "text", "token_file": "path"}
_REST: dict[str, Kind] = {"url": "text", "host": "text", "port": "port", "host_address": "text", "api": "text"}
_ZEROMQ: dict[str, Kind] = {"request_port": "port", "response_port": "port", "keys": "path", "key": "text"}
_CELERY: dict[str, Kind] = {
    "broker": "text",
    "celery_broker_url": "text",
    "backend": "text",
    "queue_name": "text",
    "shared": "path",
    "seconds": "number",
    "patience": "number",
}


@dataclass(frozen=True, slots=True)
class NodeType:
    """One type of node."""

    title: str
    """What it is, in a few words."""
    node: str = ""
    """`module:function`, which returns the `Node` of a `Section`; empty: requests cannot go on to one."""
    server: str = ""
    """`module:function`, called with a `Served`, which serves until it is told to stop; empty: the section `[stratus]`
    cannot have this type."""
    options: Mapping[str, Kind] = field(default_factory=dict)
    """What the section of a node may say."""
    required: tuple[str, ...] = ()
    """Those of `options` that must be there."""
    served: Mapping[str, Kind] = field(default_factory=dict)
    """What the section `[stratus]` may say, beside `host`, `port` and what all have."""
    extra: str = ""
    """Extra of the package that it needs; empty: none."""
    needs: tuple[str, ...] = ()
    """Modules that the extra brings."""
    in_place_of: str = ""
    """Type whose options it accepts and does not use, so that one word in the settings moves work to it."""


TYPES: dict[str, NodeType] = {
    "endpoint": NodeType(
        "Python functions, here in a child process",
        node="pileus.nodes.endpoint_node:endpoint_node",
        options={
            "module": "names",
            "object": "text",
            "private": "yes",
            "at_once": "number",
            "seconds": "number",
            "memory": "number",
        },
        required=("module",),
        extra="stratus",
        needs=("xarray", "h5netcdf"),
    ),
    "rest": NodeType(
        "the HTTP API of a Pileus",
        node="pileus.nodes.rest_node:rest_node",
        server="pileus.nodes.rest_server:serve",
        options=_REST | _TOKEN,
        served={"names": "names", "api": "text"},
    ),
    "queue": NodeType(
        "the queues and workers of a stack",
        node="pileus.nodes.queue_node:queue_node",
        options={"url": "text", **_TOKEN},
        in_place_of="celery",
    ),
    "zeromq": NodeType(
        "a node that speaks ZeroMQ",
        node="pileus.nodes.zeromq_node:zeromq_node",
        server="pileus.nodes.zeromq_server:serve",
        options={"host": "text", "patience": "number", "server_key": "text", **_ZEROMQ},
        served={"client_address": "text", **_ZEROMQ},
        extra="zeromq",
        needs=("zmq",),
    ),
    "celery": NodeType(
        "workers of Celery, over a broker",
        node="pileus.nodes.celery_node:celery_node",
        server="pileus.nodes.celery_worker:serve",
        options=_CELERY,
        served=_CELERY,
        extra="celery",
        needs=("celery", "redis"),
    ),
    "ogc": NodeType(
        "a server of OGC API - Processes, of anybody's",
        node="pileus.nodes.ogc_node:ogc_node",
        options={"url": "text", **_TOKEN},
        required=("url",),
        extra="stratus",
        needs=("xarray", "h5netcdf"),
    ),
}
TYPES["rest_client"] = TYPES["openapi"] = TYPES["rest"]


def type_of(name: str, *, serving: bool) -> NodeType:
    """Return the type of a name. Raises DocumentError with the near matches; also for one that cannot be what is asked.

    `serving`: of the section `[stratus]`, else of a node downstream.
    """
    can = [one for one, kind in TYPES.items() if (kind.server or one == "endpoint" if serving else kind.node)]
    if name not in can:
        raise DocumentError(f"type: {unknown('type of node', name, can)}")
    return TYPES[name]


def function_of(name: str, kind: NodeType, *, serving: bool) -> Any:
    """Return the function of a type, imported now. Raises DocumentError, which names the extra, where it is absent."""
    if missing := [module for module in kind.needs if find_spec(module) is None]:
        raise DocumentError(
            f"a node of type {name} needs the extra {kind.extra} ({', '.join(missing)}): "
            f"pip install 'pileus[{kind.extra}]'"
        )
    module, _, function = (kind.server if serving else kind.node).partition(":")
    return getattr(import_module(module), function)

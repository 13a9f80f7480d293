"""Settings become nodes: each section by its type, and all of them behind one route."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pileus.errors import PileusError
from pileus.nodes.folder import FolderService
from pileus.nodes.node import Node
from pileus.nodes.passed import id_of
from pileus.nodes.route import Route
from pileus.nodes.settings import Section, Settings, read_settings
from pileus.nodes.types import function_of

BUILTIN = "pileus.stratus.builtin"
"""The module of our own operations."""


def node_of(section: Section) -> Node:
    """Return the node of a section. Raises DocumentError where its extra is absent, and what its type raises."""
    node: Node = function_of(section.type, section.kind, serving=False)(section)
    return node


def route_of(settings: Settings) -> Route:
    """Return all nodes of settings behind one. Raises what one of them raises."""
    nodes: list[Node] = []
    try:
        for section in settings.nodes:
            nodes.append(node_of(section))
    except PileusError:
        for node in nodes:
            with suppress(PileusError):
                node.close()
        raise
    return Route(nodes, id=_id(settings))


def _id(settings: Settings) -> str:
    """Return the id of a node: that of the queue whose workers it is one of, else its own."""
    this = settings.this
    if this.type == "celery":
        from pileus.nodes.celery_queue import Queue

        return Queue.of(this).id
    return id_of(this.text("name") or Path(settings.where).stem)


def folder_of(settings: Settings, folder: Path | None = None) -> Path:
    """Return the folder of a node: as given, else as its settings say, else one of its own beside them."""
    name = Path(settings.where).stem
    found = folder or settings.this.path("folder")
    return found or settings.this.folder / ".pileus" / "nodes" / name


def service_of(settings: Settings, route: Route, folder: Path) -> FolderService:
    """Return the service of a node over a folder. Raises UsageError where another process serves it."""
    this = settings.this
    return FolderService(folder, route, files=this.paths("files"), at_once=this.number("at_once", 4))


def built_in(folder: Path, port: int, address: str, names: Sequence[str]) -> Settings:
    """Return the settings of a node that serves Pileus's own operations over HTTP."""
    this = {"type": "rest", "folder": str(folder.resolve()), "port": port, "host": address, "names": list(names)}
    return read_settings({"stratus": this, "pileus": {"type": "endpoint", "module": BUILTIN}})

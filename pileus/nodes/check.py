"""What is wrong with the settings of a node, found by trying: each node is made and asked what it can do."""

from collections.abc import Iterator
from dataclasses import dataclass

from pileus.errors import PileusError
from pileus.nodes.settings import Section, Settings
from pileus.nodes.types import function_of
from pileus.nodes.wire import node_of
from pileus.stratus.capability import Capability

FEW = 6
"""Operations that are named in a line."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found about one section."""

    node: str
    type: str
    ok: bool
    found: str
    """One line: what it can do, or what is wrong."""


def checked(settings: Settings) -> list[Checked]:
    """Return what was found about each section, that of the node itself first."""
    return [_this(settings), *(_checked(section) for section in settings.nodes)]


def told(settings: Settings) -> Iterator[tuple[Section, tuple[Capability, ...]]]:
    """Yield each node with what it can do. Raises what making or asking it raises."""
    for section in settings.nodes:
        node = node_of(section)
        try:
            yield section, node.capabilities()
        finally:
            node.close()


def _this(settings: Settings) -> Checked:
    this = settings.this
    if not this.kind.server:
        return Checked(this.name, this.type, True, "serves nobody else: `pileus request FILE --node` uses it")
    try:
        function_of(this.type, this.kind, serving=True)
    except PileusError as exc:
        return Checked(this.name, this.type, False, str(exc))
    port = f", port {this.number('port', 0)}" if "port" in this.options else ""
    return Checked(this.name, this.type, True, f"serves {this.kind.title} at {settings.host}{port}")


def _checked(section: Section) -> Checked:
    try:
        node = node_of(section)
        try:
            found = node.capabilities()
        finally:
            node.close()
    except PileusError as exc:
        return Checked(section.name, section.type, False, str(exc))
    names = [one.pattern for one in found]
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    unused = f"; not used: {', '.join(section.unused)}" if section.unused else ""
    return Checked(section.name, section.type, True, f"{', '.join(names[:FEW]) or 'no operation'}{more}{unused}")

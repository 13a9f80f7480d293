"""Which node does which part of a request, in which order. No node is asked here."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pileus.errors import DocumentError
from pileus.near import unknown
from pileus.stratus.capability import Capability, wrong_number
from pileus.stratus.graph import Graph, Part, assign, matches, parts_of
from pileus.stratus.request import Operation

Can = Mapping[str, Sequence[Capability]]
"""By the name of a node, what it can do."""
LONGEST_ID = 40
"""Characters of the id of a request that every service takes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The parts of a request."""

    parts: tuple[Part, ...]
    """Each after all that it needs."""

    def ready(self, made: Collection[str], begun: Collection[int]) -> list[int]:
        """Return the numbers of the parts that can begin: all that they need is made, and they are not."""
        return [
            number
            for number, part in enumerate(self.parts)
            if number not in begun
            and all(need in made for need in part.given)
            and not all(output in made for output in part.request.outputs)
        ]


def plan_of(graph: Graph, can: Can) -> tuple[dict[str, str], Plan]:
    """Return, by result, the node of each operation, and the plan. Raises DocumentError for what nobody can do."""
    assigned = assign(graph, {node: [one.pattern for one in listed] for node, listed in can.items()})
    return assigned, Plan(parts_of(graph, assigned))


def others(part: Part, can: Can) -> list[str]:
    """Return the nodes that can do a whole part, the one that has it first, in the order of the settings."""
    able = [
        node
        for node, listed in can.items()
        if all(any(matches(one.pattern, operation) for one in listed) for operation in part.request.operations)
    ]
    return sorted({part.node, *able}, key=lambda node: (node != part.node, able.index(node) if node in able else 0))


def part_id(rid: str, number: int) -> str:
    """Return the rid of a part: the same for the same request, so that a node that is asked again finds the first.

    >>> part_id("r7", 2)
    'r7-2'
    """
    id = f"{rid}-{number}"
    return id if len(id) <= LONGEST_ID else f"{hashlib.sha256(rid.encode()).hexdigest()[:32]}-{number}"


def check(graph: Graph, can: Can, nodes: Collection[str]) -> None:
    """Raise DocumentError with what is wrong by what some nodes tell of themselves: how many inputs, names of
    parameters.
    """
    assigned, wrong = plan_of(graph, can)[0], []
    for number, operation in enumerate(graph.request.operations):
        node = assigned[operation.result]
        if node in nodes:
            told = next(one for one in can[node] if matches(one.pattern, operation))
            wrong += [f"operation[{number}]{why}" for why in _wrong(operation, told)]
    if wrong:
        raise DocumentError("; ".join(wrong[:20]))


def _wrong(operation: Operation, told: Capability) -> list[str]:
    why = wrong_number(told.inputs, len(operation.inputs))
    found = [f".input: {operation.name} {why}"] if why else []
    properties = told.parameters.get("properties", {})
    if told.parameters.get("additionalProperties", True) is False:
        found += [
            f": {unknown('parameter', name, properties)}" for name in operation.parameters if name not in properties
        ]
    missing = [name for name in told.parameters.get("required", ()) if name not in operation.parameters]
    return found + [f".{name}: required, and missing" for name in missing]


def told_of(part: Part) -> str:
    """Return the operations of a part, for a sentence: at most three.

    >>> from pileus.stratus.graph import graph_of
    >>> from pileus.stratus.request import StratusRequest
    >>> graph = graph_of(StratusRequest.from_json({"operation": [{"name": "x:a", "result": "r"}]}))
    >>> told_of(parts_of(graph, {"r": "here"})[0])
    'x:a'
    """
    names = list(dict.fromkeys(one.name for one in part.request.operations))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

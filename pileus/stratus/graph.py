"""The graph of a request: which operation needs which, what comes out, and which parts of it a node does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter

from pileus.errors import DocumentError
from pileus.near import unknown
from pileus.stratus.addresses import GIVEN
from pileus.stratus.request import Input, Operation, StratusRequest

MOST_ALIKE = 8
"""Parts of one node, of the same operations, that stand side by side."""


@dataclass(frozen=True, slots=True)
class Graph:
    """The operations of a request, without a cycle."""

    request: StratusRequest
    operations: Mapping[str, Operation]
    """By result, each after all that it needs."""
    outputs: tuple[str, ...]
    """Results that are wanted."""

    def needs(self, result: str) -> tuple[str, ...]:
        """Return the results of others that an operation reads, each once."""
        return tuple(dict.fromkeys(one for one in self.operations[result].inputs if one in self.operations))

    def readers(self) -> dict[str, tuple[str, ...]]:
        """Return, by result, the results of the operations that read it."""
        found: dict[str, list[str]] = {result: [] for result in self.operations}
        for result in self.operations:
            for need in self.needs(result):
                found[need].append(result)
        return {result: tuple(who) for result, who in found.items()}

    def waves(self) -> tuple[tuple[str, ...], ...]:
        """Return the results in waves: what one wave needs was made by those before it.

        >>> request = StratusRequest.from_json({"operation": [
        ...     {"name": "x:a", "result": "a"}, {"name": "x:b", "result": "b"},
        ...     {"name": "x:c", "input": "a,b", "result": "c"}]})
        >>> graph_of(request).waves()
        (('a', 'b'), ('c',))
        """
        depth: dict[str, int] = {}
        for result in self.operations:
            depth[result] = max((depth[need] + 1 for need in self.needs(result)), default=0)
        made: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
        for result, at in depth.items():
            made[at].append(result)
        return tuple(tuple(wave) for wave in made)


@dataclass(frozen=True, slots=True)
class Part:
    """Operations that one node does at one time."""

    node: str
    request: StratusRequest
    """What the node is asked: the operations, what they read, and `outputs`."""
    given: tuple[str, ...]
    """Results of other parts that it reads. Inputs of these ids have an address of the form `given:RESULT`."""


def graph_of(request: StratusRequest) -> Graph:
    """Return the graph of a request. Raises DocumentError with all that is wrong:

    1. an operation reads what is neither an input nor a result, or names a domain that there is not;
    2. operations need each other in a circle;
    3. more than one result is read by no operation, and `outputs` does not name what is wanted;
    4. an operation is of no use for what is wanted.
    """
    by_result = {one.result: one for one in request.operations}
    _check_names(request, by_result)
    needs = {result: [one for one in operation.inputs if one in by_result] for result, operation in by_result.items()}
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        around = " needs ".join(reversed(error.args[1]))
        raise DocumentError(f"operation: {around}: operations may not need each other in a circle") from error
    operations = {result: by_result[result] for result in order}
    read = {one for listed in needs.values() for one in listed}
    outputs = request.outputs or tuple(result for result in by_result if result not in read)
    if not request.outputs and len(outputs) > 1:
        raise DocumentError(
            f"operation: {', '.join(outputs)} are read by no operation: expected one, or outputs with those wanted"
        )
    graph = Graph(request, operations, outputs)
    wanted = _wanted(graph)
    if idle := [result for result in by_result if result not in wanted]:
        raise DocumentError(f"operation: {', '.join(idle)}: of no use for {', '.join(outputs)}")
    return graph


def _check_names(request: StratusRequest, by_result: Mapping[str, Operation]) -> None:
    known, wrong = [*request.inputs, *by_result], []
    for number, one in enumerate(request.operations):
        wrong += [
            f"operation[{number}].input: {unknown('input', name, known)}" for name in one.inputs if name not in known
        ]
        if one.domain and one.domain not in request.domains:
            wrong.append(f"operation[{number}].domain: {unknown('domain', one.domain, request.domains)}")
    for name, read in request.inputs.items():
        if read.domain and read.domain not in request.domains:
            wrong.append(f"input {name}: {unknown('domain', read.domain, request.domains)}")
    wrong += [f"outputs: {unknown('result', name, by_result)}" for name in request.outputs if name not in by_result]
    if wrong:
        raise DocumentError("; ".join(wrong[:20]))


def _wanted(graph: Graph) -> set[str]:
    """Return all results that the outputs need, and the outputs."""
    wanted = set(graph.outputs)
    for result in reversed(list(graph.operations)):
        if result in wanted:
            wanted.update(graph.needs(result))
    return wanted


def matches(pattern: str, operation: Operation) -> bool:
    """Return whether a pattern of a node is of an operation: of its whole name, or, without a colon, of its endpoint.

    >>> mean = Operation("xop", "mean", (), "r1")
    >>> matches("xop*", mean), matches("xop:m*", mean), matches("xop:sum", mean)
    (True, True, False)
    """
    return fnmatchcase(operation.name if ":" in pattern else operation.epa, pattern)


def assign(graph: Graph, patterns: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return, by result, the node that does each operation. `patterns`: what each node can do, by its name.

    The node that can do most takes all that it can; of the rest again, until none is left. Of two that can do as much
    the first takes it. Raises DocumentError that names the operations nobody can do, and what there is.
    """
    assigned: dict[str, str] = {}
    while left := [result for result in graph.operations if result not in assigned]:
        can = {
            node: [result for result in left if any(matches(one, graph.operations[result]) for one in listed)]
            for node, listed in patterns.items()
        }
        node = max(can, key=lambda one: len(can[one]), default="")
        if not node or not can[node]:
            names = ", ".join(dict.fromkeys(graph.operations[result].name for result in left))
            there = ", ".join(dict.fromkeys(one for listed in patterns.values() for one in listed)) or "none"
            raise DocumentError(f"operation: no endpoint for {names}: there is {there}")
        assigned.update(dict.fromkeys(can[node], node))
    return assigned


def parts_of(graph: Graph, assigned: Mapping[str, str]) -> tuple[Part, ...]:
    """Return the parts of a graph, each after all those that it needs.

    A part is a connected component among the operations of one node that have the same number of changes of node
    before them. So no two parts need each other. Where more than eight components of a node, of the same operations and
    changes, stand side by side, a part has several: each costs its node about as much as many operations.
    """
    changes: dict[str, int] = {}
    for result in graph.operations:
        changes[result] = max(
            (changes[need] + (assigned[need] != assigned[result]) for need in graph.needs(result)), default=0
        )
    of: dict[str, str] = {}

    def first(result: str) -> str:
        while of[result] != result:
            of[result] = result = of[of[result]]
        return result

    for result in graph.operations:
        of[result] = result
        for need in graph.needs(result):
            if (assigned[need], changes[need]) == (assigned[result], changes[result]):
                of[first(need)] = first(result)
    members: dict[str, list[str]] = {}
    for result in graph.operations:
        members.setdefault(first(result), []).append(result)
    alike: dict[tuple[int, str, frozenset[str]], list[list[str]]] = {}
    for listed in members.values():
        names = frozenset(graph.operations[one].name for one in listed)
        alike.setdefault((changes[listed[0]], assigned[listed[0]], names), []).append(listed)
    readers, parts = graph.readers(), list[Part]()
    for key in sorted(alike, key=lambda one: one[0]):
        parts += [part_of(graph, key[1], listed, readers) for listed in packed(alike[key], MOST_ALIKE)]
    return tuple(parts)


def packed(components: Sequence[Sequence[str]], most: int) -> list[list[str]]:
    """Return at most so many lists with all components, of about as many operations each.

    >>> packed([["a", "b"], ["c"], ["d"]], 2), packed([["a"]], 2)
    ([['a', 'b'], ['c', 'd']], [['a']])
    """
    if len(components) <= most:
        return [list(one) for one in components]
    filled: list[list[str]] = [[] for _ in range(most)]
    for component in sorted(components, key=len, reverse=True):
        min(filled, key=len).extend(component)
    return filled


def part_of(graph: Graph, node: str, listed: Sequence[str], readers: Mapping[str, Sequence[str]]) -> Part:
    """Return a part of some operations, in an order in which they can be done. `readers`: of the graph."""
    request, inside = graph.request, set(listed)
    operations = tuple(graph.operations[result] for result in listed)
    read = dict.fromkeys(name for one in operations for name in one.inputs if name not in inside)
    given = tuple(name for name in read if name in graph.operations)
    inputs = {name: request.inputs.get(name) or Input(name, f"{GIVEN}{name}", "") for name in read}
    domains = {one.domain for one in operations} | {one.domain for one in inputs.values()}
    outputs = tuple(one for one in listed if one in graph.outputs or set(readers[one]) - inside)
    asked = replace(
        request,
        operations=operations,
        inputs=inputs,
        domains={name: one for name, one in request.domains.items() if name in domains},
        outputs=outputs,
        keys={epa: keys for epa, keys in request.keys.items() if epa in {one.epa for one in operations}},
    )
    return Part(node, asked, given)

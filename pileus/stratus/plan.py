"""The order in which workers do a graph: rounds of messages, few enough for one execution of Step Functions.

An execution may have 25,000 events of history. A round costs it about 13 of them, and a message about 8.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any

from pileus.stratus.graph import Graph, packed

MOST_ROUNDS = 40
"""Rounds of one graph."""
MOST_MESSAGES = 40
"""Messages of one round: so many workers may do a request at once."""
Plan = tuple[tuple[tuple[str, ...], ...], ...]
"""Rounds; of each its messages; of each the results that one worker makes, in this order."""


def plan_of(graph: Graph, *, rounds: int = MOST_ROUNDS, messages: int = MOST_MESSAGES) -> Plan:
    """Return rounds in which all operations are done. What a message needs was made in the rounds before, or by itself.

    1. A chain, where each operation is all that reads the one before, is done by one worker.
    2. Chains are put in waves. Where there are more waves than rounds may be, some waves after each other become one
       round; what hangs together in it is then done by one worker.
    3. Where a round has more of these than messages may be, a message has several, about as many operations as the
       others.

    >>> from pileus.stratus.graph import graph_of
    >>> from pileus.stratus.request import StratusRequest
    >>> request = StratusRequest.from_json({"operation": [
    ...     {"name": "x:a", "result": "a"}, {"name": "x:b", "input": "a", "result": "b"},
    ...     {"name": "x:c", "result": "c"}, {"name": "x:d", "input": "b,c", "result": "d"}]})
    >>> plan_of(graph_of(request))
    ((('a', 'b'), ('c',)), (('d',),))
    """
    chains = _chains(graph)
    waves = _waves(graph, chains)
    together = max(1, ceil(len(waves) / rounds))
    made = []
    for start in range(0, len(waves), together):
        within = [chain for wave in waves[start : start + together] for chain in wave]
        made.append(tuple(tuple(one) for one in packed(_components(graph, within), messages)))
    return tuple(made)


def plan_json(plan: Plan) -> list[Any]:
    """Return a plan as JSON; `plan_from` is the inverse."""
    return [[list(message) for message in messages] for messages in plan]


def plan_from(value: Sequence[Sequence[Sequence[str]]]) -> Plan:
    """Return what `plan_json` wrote."""
    return tuple(tuple(tuple(message) for message in messages) for messages in value)


def _chains(graph: Graph) -> list[tuple[str, ...]]:
    """Return all operations, those of a chain together, in an order in which each can be done after those before."""
    readers, chain_of = graph.readers(), dict[str, list[str]]()
    chains: list[list[str]] = []
    for result in graph.operations:
        needs = graph.needs(result)
        if len(needs) == 1 and readers[needs[0]] == (result,):
            chain = chain_of[needs[0]]
        else:
            chain = []
            chains.append(chain)
        chain.append(result)
        chain_of[result] = chain
    return [tuple(chain) for chain in chains]


def _waves(graph: Graph, chains: Sequence[tuple[str, ...]]) -> list[list[tuple[str, ...]]]:
    """Return the chains in waves: what one wave needs was made by those before it. Only the first of a chain needs what
    is outside it.
    """
    depth: dict[str, int] = {}
    waves: list[list[tuple[str, ...]]] = []
    for chain in chains:
        at = max((depth[need] + 1 for need in graph.needs(chain[0])), default=0)
        depth |= dict.fromkeys(chain, at)
        while len(waves) <= at:
            waves.append([])
        waves[at].append(chain)
    return waves


def _components(graph: Graph, chains: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return what hangs together among these chains, each in an order in which it can be done."""
    of: dict[str, int] = {}
    members: dict[int, list[str]] = {}
    for number, chain in enumerate(chains):
        members[number] = []
        joined = {of[need] for need in graph.needs(chain[0]) if need in of}
        first = min(joined, default=number)
        for other in joined - {first}:  # the smaller list is moved, so that long graphs stay quick
            small, large = sorted((first, other), key=lambda one: len(members[one]))
            moved = members.pop(small)
            of |= dict.fromkeys(moved, large)
            members[large] += moved
            first = large
        if first != number:
            del members[number]
        members[first] += chain
        of |= dict.fromkeys(chain, first)
    order = {result: place for place, result in enumerate(result for chain in chains for result in chain)}
    return [tuple(sorted(one, key=order.__getitem__)) for one in members.values()]

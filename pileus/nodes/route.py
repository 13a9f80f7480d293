"""A request over several nodes: each part by its node, side by side where they can be, and what they make as files.

1. The nodes are asked what they can do. What was assigned is written down, so that a second call asks the same.
2. Parts whose needs are made are done, at most `at_once`.
3. A node that is lost is asked again after a pause; then another that can do the whole part is. Any other error fails
   the request.
4. What is made lies in the folder under its name. A part of which all is there is not done again.
"""

import copy
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pileus.errors import DamagedObject, DocumentError, HandedBack, PileusError
from pileus.nodes.node import Checks, Node, NodeLost
from pileus.nodes.passed import id_of, refuse_circle
from pileus.nodes.plan import Can, Plan, check, others, part_id, plan_of, told_of
from pileus.stratus.capability import Capability
from pileus.stratus.graph import Graph, Part, graph_of, parts_of
from pileus.stratus.request import StratusRequest

Told = Callable[[Sequence[str]], None]
"""Called with the results of a part that has been done."""
Files = Mapping[str, Path]
LINGER = 1.5
"""Seconds that nodes have to end when a request is stopped."""
NOTED = "assigned.json"


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a node that is lost is asked, and how long before the next."""

    tries: int = 6
    """Of the last that can do a part."""
    few: int = 3
    """Of those before it."""
    pause: float = 0.5
    """Seconds after the first try; it doubles with each."""

    def of(self, nodes: Sequence[str]) -> Iterator[tuple[str, float]]:
        """Yield the node of each try, and the seconds after it.

        >>> [*Patience(3, 2, 0.5).of(["a", "b"])]
        [('a', 0.5), ('a', 1.0), ('b', 0.5), ('b', 1.0), ('b', 2.0)]
        """
        for node in nodes:
            for attempt in range(self.tries if node == nodes[-1] else self.few):
                yield node, self.pause * 2**attempt


def nobody(results: Sequence[str]) -> None:
    """Hear of parts that are done, where nobody wants to."""


class Route:
    """Nodes behind one: itself a node, so that it can be any node of another."""

    def __init__(
        self,
        nodes: Sequence[Node],
        *,
        name: str = "stratus",
        id: str = "",
        at_once: int = 8,
        patience: Patience | None = None,
    ) -> None:
        """`id`: by which requests say that they have passed it; empty: one of its name."""
        self.name, self.id = name, id or id_of(name)
        self.nodes = {node.name: node for node in nodes}
        self._at_once, self._patience = at_once, patience or Patience()
        self._last: dict[str, tuple[Capability, ...]] = {}

    def capabilities(self, via: Sequence[str] = (), /) -> tuple[Capability, ...]:
        """Return what any of them can do. Raises NodeLost where all are lost."""
        if self.id in via:
            return ()
        can = self._can(via)
        if not can:
            raise NodeLost(f"no node answers: {', '.join(self.nodes)}")
        return tuple({one.pattern: one for listed in reversed(can.values()) for one in reversed(listed)}.values())[::-1]

    def check(self, request: StratusRequest) -> None:
        """Raise DocumentError with what is wrong with a request, as far as can be known. Raises NodeLost."""
        graph = graph_of(request)
        refuse_circle(request, self.id)
        can = self._can(request.via)
        plan = self._plan(graph, can)[1]
        able = {name: node for name, node in self.nodes.items() if isinstance(node, Checks)}
        check(graph, can, self.nodes.keys() - able)
        for part in plan.parts:
            if part.node in able:
                able[part.node].check(part.request)

    def run(
        self,
        request: StratusRequest,
        given: Files,
        folder: Path,
        stopping: threading.Event,
        told: Told = nobody,
    ) -> dict[str, Path]:
        """Do a request; see `Node`. `told`: hears of what is done, from the calling thread alone."""
        graph = graph_of(request)
        refuse_circle(request, self.id)
        plan, can = self._noted(graph, folder)
        work = _Work(self, request, plan, can, given, folder, stopping)
        made = work.all(self._at_once, told)
        return {output: made[output] for output in graph.outputs}

    def close(self) -> None:
        """Let the connections of all nodes go."""
        for node in self.nodes.values():
            node.close()

    def ask(self, part: Part, can: Can, given: Files, folder: Path, stopping: threading.Event) -> Files:
        """Return what one part makes. Raises NodeLost when all who can do it are lost."""
        tries = [*self._patience.of(others(part, can))]
        for number, (name, pause) in enumerate(tries, 1):
            try:
                return self.nodes[name].run(part.request, given, folder, stopping)
            except NodeLost as exc:
                lost = _named(exc, name, part)
                if number == len(tries):
                    raise lost from exc
            except PileusError as exc:
                raise _named(exc, name, part) from exc
            if stopping.wait(pause):
                raise HandedBack("stopped while a node was lost") from lost
        raise AssertionError("there is a node, and a try")

    def _can(self, via: Sequence[str]) -> dict[str, tuple[Capability, ...]]:
        """Return what each node can do for a request that has passed `via`: of one that is lost what it told last."""
        for name, node in self.nodes.items():
            try:
                self._last[name] = node.capabilities((*via, self.id))
            except NodeLost:
                continue
        return {name: self._last[name] for name in self.nodes if name in self._last}

    def _plan(self, graph: Graph, can: Can) -> tuple[dict[str, str], Plan]:
        """Raises NodeLost for what none of those who answer can do, while others do not answer."""
        try:
            return plan_of(graph, can)
        except DocumentError as exc:
            if silent := [name for name in self.nodes if name not in can]:
                raise NodeLost(f"{exc.message}; no answer from {', '.join(silent)}") from exc
            raise

    def _noted(self, graph: Graph, folder: Path) -> tuple[Plan, Can]:
        """Return the plan that is written down in the folder; else make one and write it down."""
        file, can = folder / NOTED, self._can(graph.request.via)
        if file.exists():
            assigned = json.loads(file.read_bytes())
            if set(assigned) == set(graph.operations) and set(assigned.values()) <= set(self.nodes):
                return Plan(parts_of(graph, assigned)), can
        assigned, plan = self._plan(graph, can)
        folder.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".new")
        temporary.write_text(json.dumps(assigned))
        temporary.replace(file)
        return plan, can


class _Work:
    """One request while it is done."""

    def __init__(
        self,
        route: Route,
        request: StratusRequest,
        plan: Plan,
        can: Can,
        given: Files,
        folder: Path,
        stopping: threading.Event,
    ) -> None:
        self._route, self._plan, self._can, self._given = route, plan, can, given
        self._rid, self._via = request.rid, (*request.via, route.id)
        self._made, self._parts = folder / "made", folder / "parts"
        self._outer, self._inner = stopping, threading.Event()
        self._ended: queue.SimpleQueue[tuple[int, Files | BaseException]] = queue.SimpleQueue()

    def all(self, at_once: int, told: Told) -> dict[str, Path]:
        """Return the file of each result that is an output of a part."""
        self._made.mkdir(parents=True, exist_ok=True)
        outputs = [output for part in self._plan.parts for output in part.request.outputs]
        made = {name: path for name in outputs if (path := self._path(name)).exists()}
        for part in self._plan.parts:
            if all(output in made for output in part.request.outputs):
                told([one.result for one in part.request.operations])
        begun: set[int] = set()
        running: dict[int, threading.Thread] = {}
        try:
            while (ready := self._plan.ready(made, begun)) or running:
                for number in ready[: at_once - len(running)]:
                    begun.add(number)
                    running[number] = self._start(number, made)
                number, outcome = self._next()
                del running[number]
                if isinstance(outcome, BaseException):
                    raise outcome
                made |= outcome
                told([one.result for one in self._plan.parts[number].request.operations])
        finally:
            self._inner.set()
            until = time.monotonic() + LINGER
            for thread in running.values():
                thread.join(max(0, until - time.monotonic()))
        return made

    def _path(self, name: str) -> Path:
        return self._made / f"{name}.nc"

    def _start(self, number: int, made: Files) -> threading.Thread:
        thread = threading.Thread(target=self._do, args=(number, dict(made)), daemon=True, name=f"part {number}")
        thread.start()
        return thread

    def _do(self, number: int, made: Files) -> None:
        """Do one part; what it makes, or what it raises, goes to the thread that waits."""
        try:
            self._ended.put((number, self._part(number, made)))
        except BaseException as exc:  # noqa: BLE001 - raised again by the thread that waits
            self._ended.put((number, exc))

    def _part(self, number: int, made: Files) -> Files:
        part = self._plan.parts[number]
        asked = replace(part, request=replace(part.request, rid=part_id(self._rid, number), via=self._via))
        given = {name: self._given[name] for name in part.request.inputs if name in self._given}
        given |= {name: made[name] for name in part.given}
        folder = self._parts / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        found = self._route.ask(asked, self._can, given, folder, self._inner)
        kept: dict[str, Path] = {}
        for output in part.request.outputs:
            if output not in found or not found[output].is_file():
                raise DamagedObject(f"node {part.node} gave no file for {output}, which {told_of(part)} makes")
            kept[output] = self._path(output)
            found[output].replace(kept[output])
        return kept

    def _next(self) -> tuple[int, Files | BaseException]:
        """Return the next part that ended. Raises HandedBack soon after the request is to stop."""
        while True:
            if self._outer.is_set():
                raise HandedBack("stopped while nodes worked")
            try:
                return self._ended.get(timeout=0.1)
            except queue.Empty:
                continue


E = TypeVar("E", bound=PileusError)


def _named(error: E, node: str, part: Part) -> E:
    """Return an error whose message names the node and, where it does not yet, the operation."""
    found = copy.copy(error)
    names = [one.name for one in part.request.operations]
    about = f"node {node}" if any(name in error.message for name in names) else f"node {node}, {told_of(part)}"
    found.message = f"{about}: {error.message}"
    found.args = (found.message,)
    return found

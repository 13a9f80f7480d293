"""The edges of a simulated stack: their state, and what the real code is given to reach them."""

import hashlib
import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pileus.edges.connections import Lease
from pileus.edges.index import Brief, MemoryIndex
from pileus.edges.queues import Message
from pileus.edges.workflows import Status
from pileus.errors import Conflict, NotFound
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import Partition
from spec.simulation.machines import Machines
from spec.simulation.schedule import Process, Schedule, Unavailable

Wrote = Callable[[str, bytes | None], None]
"""Called after an object was written (its bytes) or deleted (None)."""


class Objects:
    """Objects by address; an entity tag is the hash of the bytes, as in S3."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.wrote: list[Wrote] = []

    def put(self, url: str, body: bytes | None) -> None:
        if body is None:
            self.bodies.pop(url, None)
        else:
            self.bodies[url] = body
        for wrote in self.wrote:
            wrote(url, body)


def tag_of(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def short(url: str) -> str:
    """An address for the history."""
    return url.removeprefix("s3://")


class SimulatedStore:
    """A Store; see pileus.edges.store."""

    def __init__(self, schedule: Schedule, objects: Objects, down: Callable[[], bool]) -> None:
        self._schedule, self.objects, self._down = schedule, objects, down

    def _effect(self, what: str, do: Callable[[], Any]) -> Any:
        return self._schedule.effect(what, do, self._down)

    def _found(self, url: str) -> bytes:
        try:
            return self.objects.bodies[url]
        except KeyError:
            raise NotFound("there is no such object", where=url) from None

    def get(self, url: str) -> bytes:
        body: bytes = self._effect(f"get {short(url)}", lambda: self._found(url))
        return body

    def put(self, url: str, body: bytes, content_type: str = "") -> None:
        self._effect(f"put {short(url)}", lambda: self.objects.put(url, body))

    def tagged(self, url: str) -> tuple[bytes, str]:
        body: bytes = self._effect(f"get {short(url)}", lambda: self._found(url))
        return body, tag_of(body)

    def swap(self, url: str, body: bytes, tag: str | None, content_type: str = "") -> str:
        def do() -> str:
            stored = self.objects.bodies.get(url)
            if (None if stored is None else tag_of(stored)) != tag and stored != body:
                raise Conflict("changed meanwhile", where=url)
            self.objects.put(url, body)
            return tag_of(body)

        made: str = self._effect(f"swap {short(url)}", do)
        return made

    def drop(self, url: str, tag: str) -> None:
        def do() -> None:
            if (stored := self.objects.bodies.get(url)) is not None and tag_of(stored) == tag:
                self.objects.put(url, None)

        self._effect(f"drop {short(url)}", do)

    def copy(self, source: str, target: str) -> None:
        self._effect(f"copy {short(source)} to {short(target)}", lambda: self.objects.put(target, self._found(source)))

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        bodies = self.objects.bodies
        yield from self._effect(
            f"list {short(prefix)}",
            lambda: [(url, len(bodies[url])) for url in sorted(bodies) if url.startswith(prefix)],
        )

    def delete(self, *urls: str) -> None:
        for url in urls:  # S3 deletes several at once, and may have done only some of them
            self._effect(f"delete {short(url)}", lambda url=url: self.objects.put(url, None))


class SimulatedIndex:
    """The real MemoryIndex, each call an effect. It is replaced by an empty one when the engine is lost."""

    def __init__(
        self,
        schedule: Schedule,
        down: Callable[[], bool],
        changed: Callable[[Any, Any], None],
    ) -> None:
        """`changed`: called with an entry or a backfill as it was stored before, and as it is now."""
        self._schedule, self._down, self._changed = schedule, down, changed
        self.inner = MemoryIndex()

    def _effect(self, what: str, do: Callable[[], Any]) -> Any:
        return self._schedule.effect(what, do, self._down)

    def entry(self, partition: Partition) -> Entry | None:
        found: Entry | None = self._effect(f"read {partition.key}", lambda: self.inner.entry(partition))
        return found

    def several(self, partitions: Collection[Partition]) -> list[Entry]:
        found: list[Entry] = self._effect("read several", lambda: self.inner.several(partitions))
        return found

    def entries(self, collection: str, version: str, first: str, last: str) -> Iterator[Entry]:
        yield from self._effect("read entries", lambda: list(self.inner.entries(collection, version, first, last)))

    def briefs(self, collection: str, version: str, first: str, last: str) -> Iterator[Brief]:
        yield from self._effect("read briefs", lambda: list(self.inner.briefs(collection, version, first, last)))

    def put(self, entry: Entry, **condition: Any) -> Any:
        def do() -> Any:
            before = self.inner._entries.get(entry.partition.key)
            stored = self.inner.put(entry, **condition)
            self._changed(before, self.inner._entries[entry.partition.key])
            return stored

        what = f"index {entry.partition.key} {entry.state} {entry.run} {entry.owner or ''}".rstrip()
        return self._effect(what, do)

    def remove(self, entry: Entry) -> None:
        self._effect(f"remove {entry.partition.key}", lambda: self.inner.remove(entry))

    def backfill(self, id: str) -> Backfill | None:
        found: Backfill | None = self._effect(f"read backfill {id}", lambda: self.inner.backfill(id))
        return found

    def backfills(self) -> Iterator[Backfill]:
        yield from self._effect("read backfills", lambda: list(self.inner.backfills()))

    def put_backfill(self, backfill: Backfill) -> Any:
        def do() -> Any:
            before = self.inner.backfill(backfill.id)
            stored = self.inner.put_backfill(backfill)
            self._changed(before, self.inner.backfill(backfill.id))
            return stored

        return self._effect(f"index backfill {backfill.id}/{backfill.run} {backfill.state}", do)


@dataclass(eq=False)
class Posted:
    """A message in a queue."""

    body: str
    visible: float
    receipt: str = ""
    receives: int = 0


@dataclass
class Mail:
    """The messages of a stack's queues, by address of the queue."""

    queues: dict[str, list[Posted]] = field(default_factory=dict)
    dead: list[str] = field(default_factory=list)


class SimulatedQueues:
    """Queues with visibility timeouts; messages come late, twice, or again."""

    def __init__(
        self,
        schedule: Schedule,
        down: Callable[[], bool],
        addresses: Mapping[str, str],
        visibility: float,
        doubled: float,
    ) -> None:
        """`addresses`: of the queues, by name; `doubled`: share of deliveries that come twice."""
        self._schedule, self._down, self._addresses = schedule, down, addresses
        self._visibility, self._doubled = visibility, doubled
        self.mail = Mail({url: [] for url in addresses.values()})
        self.machines: Machines
        self._waiting: list[tuple[threading.Event, Process]] = []

    def _effect(self, what: str, do: Callable[[], Any]) -> Any:
        return self._schedule.effect(what, do, self._down)

    def arrive(self, url: str, body: str, delay: float = 0) -> None:
        """A message was sent to the queue."""
        late = self._schedule.latency() if self._schedule.dice.random() < 0.2 else 0.0
        self.mail.queues[url].append(Posted(body, self._schedule.now + late + delay))
        self._wake()

    def receive(self, queue: str, wait_seconds: int) -> Message | None:
        if not self._comes(queue, wait_seconds):
            if self._down():
                raise Unavailable("cannot be reached", where=queue)
            return None
        found: Message | None = self._effect(f"receive {queue}", lambda: self._take(queue))
        return found

    def _comes(self, queue: str, wait_seconds: float) -> bool:
        """Wait until a message can be received; False when none could in that time."""
        schedule, until = self._schedule, self._schedule.now + wait_seconds
        while True:
            messages = self.mail.queues[self._addresses[queue]]
            soonest = min((posted.visible for posted in messages), default=until + 1)
            if soonest <= schedule.now or schedule.now >= until:
                return soonest <= schedule.now
            event = threading.Event()
            self._waiting.append((event, schedule._me().process))
            schedule.wait(event, min(soonest, until) - schedule.now)

    def _wake(self) -> None:
        for event, process in self._waiting:
            event.set()
            self._schedule.poke(process)
        self._waiting.clear()

    def _take(self, queue: str) -> Message | None:
        messages = self.mail.queues[self._addresses[queue]]
        visible = [posted for posted in messages if posted.visible <= self._schedule.now]
        if not visible:
            return None
        posted = self._schedule.dice.choice(visible[:3])
        posted.receives += 1
        if posted.receives > 1000:
            messages.remove(posted)
            self.mail.dead.append(posted.body)
            return None
        posted.receipt = f"{self._schedule.dice.getrandbits(40):x}"
        if self._schedule.dice.random() >= self._doubled:
            posted.visible = self._schedule.now + self._visibility
        body = json.loads(posted.body)
        return self._message(queue, posted, body)

    def _message(self, queue: str, posted: Posted, body: Any) -> Message:
        return Message(queue, posted.receipt, posted.body, body["token"], body["task"])

    def _named(self, message: Message) -> str:
        return str(message.task.get("config", {}).get("partition", "?"))

    def _posted(self, message: Message) -> Posted | None:
        messages = self.mail.queues[self._addresses[message.queue]]
        return next((posted for posted in messages if posted.receipt == message.receipt), None)

    def hold(self, message: Message, seconds: int) -> None:
        def do() -> None:
            if (posted := self._posted(message)) is not None and posted.visible > self._schedule.now:
                posted.visible = self._schedule.now + seconds
                self._wake()

        self._effect(f"hold {self._named(message)} for {seconds} s", do)

    def delete(self, message: Message) -> None:
        self._effect(f"delete message {self._named(message)}", lambda: self._remove(message))

    def _remove(self, message: Message) -> None:
        if (posted := self._posted(message)) is not None:
            self.mail.queues[self._addresses[message.queue]].remove(posted)

    def bury(self, message: Message) -> None:
        self._effect(f"bury {self._named(message)}", lambda: self.mail.dead.append(message.body))
        self.delete(message)

    def beat(self, message: Message) -> bool:
        heard: bool = self._effect(f"beat {self._named(message)}", lambda: self.machines.beat(message.token))
        return heard

    def succeed(self, message: Message, output: Mapping[str, Any]) -> bool:
        def do() -> bool:
            return self.machines.answer(message.token, "succeed", json.dumps(output))

        heard: bool = self._effect(f"answer {self._named(message)} succeeded", do)
        return heard

    def fail(self, message: Message, failure: Failure) -> bool:
        cause = json.dumps({"message": failure.message, "where": failure.where})

        def do() -> bool:
            return self.machines.answer(message.token, "fail", (failure.type, cause))

        heard: bool = self._effect(f"answer {self._named(message)} {failure.type}", do)
        return heard


class SimulatedWorkflows:
    """The engine's API."""

    def __init__(self, schedule: Schedule, down: Callable[[], bool]) -> None:
        self._schedule, self._down = schedule, down
        self.machines: Machines

    def start(self, workflow: str, name: str, value: Mapping[str, Any]) -> str:
        arn: str = self._schedule.effect(
            f"start {name}", lambda: self.machines.start(workflow, name, value), self._down
        )
        return arn

    def status(self, execution: str) -> Status:
        found: Status = self._schedule.effect(
            f"status of {execution}", lambda: self.machines.status(execution), self._down
        )
        return found

    def stop(self, execution: str, cause: str) -> None:
        self._schedule.effect(f"stop {execution}", lambda: self.machines.stop(execution), self._down)

    def running(self, workflow: str, prefix: str) -> Iterator[str]:
        yield from self._schedule.effect(
            f"list executions {prefix}", lambda: list(self.machines.running(workflow, prefix)), self._down
        )


@dataclass(eq=False)
class Held:
    """A lease of the budget."""

    process: Process
    until: float
    known: bool = False
    """Whether its holder has heard of it, and so renews it while it lives."""


class SimulatedConnections:
    """A budget that is never passed; what a dead process held, or never heard of, is free again after a while."""

    def __init__(self, schedule: Schedule, down: Callable[[], bool], lease: float) -> None:
        self._schedule, self._down, self._lease = schedule, down, lease
        self.held: dict[str, dict[str, Held]] = {}

    def acquire(self, provider: str, limit: int, pulse: Callable[[], None] | None = None) -> Lease:
        while True:
            process = self._schedule._me().process
            lease: Lease | None = self._schedule.effect(
                f"acquire {provider}", lambda process=process: self._free(provider, limit, process), self._down
            )
            if lease is not None and (mine := self.held[provider].get(lease.id)):
                mine.known = True
                return lease
            if lease is not None:
                continue  # it ran out before its answer came
            if pulse:
                pulse()
            self._schedule.sleep(1)

    def _free(self, provider: str, limit: int, process: Process) -> Lease | None:
        held, now = self.held.setdefault(provider, {}), self._schedule.now
        for id, one in list(held.items()):
            if one.known and one.process.alive:
                one.until = now + self._lease
            elif one.until <= now:
                del held[id]
        if len(held) >= limit:
            return None
        lease = Lease(lambda lease: self._release(provider, lease), lambda: False)
        held[lease.id] = Held(process, now + self._lease)
        return lease

    def _release(self, provider: str, lease: Lease) -> None:
        held = self.held.setdefault(provider, {})
        if lease.id in held:
            held[lease.id].known = False  # nobody renews it from here on
        self._schedule.effect(f"release {provider}", lambda: held.pop(lease.id, None) and None, self._down)

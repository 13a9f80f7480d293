"""The queues of a simulated stack, and the tokens that their messages carry."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pileus.edges.queues import Message
from pileus.errors import StoreError, Unavailable
from pileus.lifecycle.partition import Failure
from spec.simulation import limits
from spec.simulation.machines import Machines
from spec.simulation.schedule import Process, Schedule


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
        if sum(other.visible > self._schedule.now for other in messages) >= limits.IN_FLIGHT:
            raise StoreError("too many messages are under way", where=queue, code="OverLimit")
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
        return Message(queue, posted.receipt, posted.body, body["token"], body["task"], posted.receives)

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

    def keep(self, message: Message, seconds: int) -> None:
        self.hold(message, seconds)

    def delete(self, message: Message) -> None:
        self._effect(f"delete message {self._named(message)}", lambda: self._remove(message))

    def _remove(self, message: Message) -> None:
        if (posted := self._posted(message)) is not None:
            self.mail.queues[self._addresses[message.queue]].remove(posted)

    def settle(self) -> None:
        pass

    def bury(self, message: Message) -> None:
        self._effect(f"bury {self._named(message)}", lambda: self.mail.dead.append(message.body))
        self.delete(message)

    def beat(self, message: Message) -> bool:
        heard: bool = self._effect(f"beat {self._named(message)}", lambda: self.machines.beat(message.token))
        return heard

    def succeed(self, message: Message, output: Mapping[str, Any]) -> None:
        def do() -> bool:
            return self.machines.answer(message.token, "succeed", json.dumps(output))

        self._effect(f"answer {self._named(message)} succeeded", do)
        self.delete(message)

    def fail(self, message: Message, failure: Failure) -> bool:
        cause = json.dumps({"message": failure.message, "where": failure.where})

        def do() -> bool:
            return self.machines.answer(message.token, "fail", (failure.type, cause))

        heard: bool = self._effect(f"answer {self._named(message)} {failure.type}", do)
        return heard

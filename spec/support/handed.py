"""Queues that hand out nothing, and write down what a worker does with each message."""

from collections.abc import Mapping
from typing import Any

from pileus.edges.queues import Message
from pileus.lifecycle.partition import Failure


class Queues:
    """Records what happened to each message."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def receive(self, queue: str, wait_seconds: int) -> Message | None:
        return None

    def hold(self, message: Message, seconds: int) -> None:
        self.done.append(f"hold {seconds}")

    def keep(self, message: Message, seconds: int) -> None:
        self.done.append(f"keep {seconds}")

    def delete(self, message: Message) -> None:
        self.done.append("delete")

    def settle(self) -> None:
        pass

    def bury(self, message: Message) -> None:
        self.done.append("bury")

    def beat(self, message: Message) -> bool:
        return True

    def succeed(self, message: Message, output: Mapping[str, Any]) -> None:
        self.done += ["succeed", "delete"]

    def fail(self, message: Message, failure: Failure) -> bool:
        self.done.append(f"fail {failure.type}")
        return True

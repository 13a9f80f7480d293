"""Queues whose messages may carry a Cumulus message: the worker gets its `config` and `input`, and the answer becomes
the next message.

A message without one passes as it is.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from pileus.cumulus.task import Adapter, is_message
from pileus.edges.queues import Message, Queues
from pileus.errors import StoreError
from pileus.lifecycle.partition import Failure

log = logging.getLogger("pileus.worker")


@dataclass(frozen=True, slots=True)
class Unwrapped(Message):
    """A message whose task was taken out of a Cumulus message."""

    whole: Mapping[str, Any] = field(default_factory=dict)
    """The full Cumulus message."""
    outputs: Mapping[str, Any] | None = None
    """Its `cumulus_message`: where the answer goes. None: into the payload."""


class CumulusQueues:
    """The queues of a worker, with Cumulus messages taken apart. `adapter`: makes the Cumulus Message Adapter."""

    def __init__(self, queues: Queues, adapter: Callable[[], Adapter]) -> None:
        self._queues, self._adapter = queues, adapter

    def receive(self, queue: str, wait_seconds: int) -> Message | None:
        while (message := self._queues.receive(queue, wait_seconds)) is not None and is_message(message.task):
            if (unwrapped := self._unwrapped(message)) is not None:
                return unwrapped
            wait_seconds = 0
        return message

    def _unwrapped(self, message: Message) -> Message | None:
        """Return a message with what is in its Cumulus message; None where that cannot be read: then it is answered as
        failed, and lies with the dead letters. Raises StoreError when S3 cannot be reached now.
        """
        try:
            adapter = self._adapter()
            whole = adapter.load_and_update_remote_event(message.task, {})
            told = adapter.load_nested_event(whole)
        except Exception as error:
            if isinstance(error, StoreError) and error.retryable:
                raise
            log.warning("a Cumulus message cannot be read", extra={"error": str(error)})
            self._queues.fail(message, Failure(type(error).__name__, f"not a Cumulus message: {error}"))
            self._queues.bury(message)
            return None
        same = {one.name: getattr(message, one.name) for one in fields(Message)}
        return Unwrapped(**same | {"task": told, "whole": whole, "outputs": told.get("messageConfig")})

    def succeed(self, message: Message, output: Mapping[str, Any]) -> None:
        """Answer as the other queues do. An answer that has no place in the Cumulus message fails the step."""
        if isinstance(message, Unwrapped):
            try:
                output = self._adapter().create_next_event(output, message.whole, message.outputs)
            except Exception as error:  # noqa: BLE001  (told to the workflow; what the worker did is recorded)
                if not (isinstance(error, StoreError) and error.retryable):  # else the message comes again
                    self._queues.fail(message, Failure(type(error).__name__, f"no Cumulus message: {error}"))
                    self._queues.delete(message)
                log.warning("a Cumulus message cannot be answered", extra={"error": str(error)})
                return
        self._queues.succeed(message, output)

    def hold(self, message: Message, seconds: int) -> None:
        self._queues.hold(message, seconds)

    def keep(self, message: Message, seconds: int) -> None:
        self._queues.keep(message, seconds)

    def delete(self, message: Message) -> None:
        self._queues.delete(message)

    def settle(self) -> None:
        self._queues.settle()

    def bury(self, message: Message) -> None:
        self._queues.bury(message)

    def beat(self, message: Message) -> bool:
        return self._queues.beat(message)

    def fail(self, message: Message, failure: Failure) -> bool:
        return self._queues.fail(message, failure)

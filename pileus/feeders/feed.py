"""Hand in the payloads of a feeder, some at once. What is wrong with one does not hold up the others."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from pileus.cirrus.payload import address_of, id_of, read_payload
from pileus.errors import DamagedObject, DocumentError, NotFound, PileusError, UsageError

if TYPE_CHECKING:
    from pileus.runs.payloads import Processed

AT_ONCE = 8
"""Payloads that are handed in in parallel."""
WRONG = (DocumentError, UsageError, NotFound, DamagedObject)
"""What is the payload's own fault; anything else is that of the stack, and ends the feed."""
Outcome = Literal["started", "skipped", "invalid"]


@dataclass(frozen=True, slots=True)
class Fed:
    """What came of one payload."""

    id: str
    """Its id, or where it lies; what it is where neither can be told."""
    outcome: Outcome
    """`skipped`: its state did not allow a run."""
    why: str = ""
    """Of one that was not started, a sentence."""

    def to_json(self) -> dict[str, str]:
        return {"id": self.id, "outcome": self.outcome, "why": self.why}


def feed(payloads: Iterable[Mapping[str, Any]], hand_in: "Callable[[Mapping[str, Any]], Processed]") -> Iterator[Fed]:
    """Yield what came of each payload, in their order. `hand_in`: starts the workflow of one.

    Fed again, those that go on or have succeeded are skipped: so a feed that was broken off is begun anew. Raises what
    the feeder raises, and what `hand_in` raises that is no fault of the payload.
    """
    waiting: deque[Future[Fed]] = deque()
    source = iter(payloads)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="feed") as pool:
        try:
            for payload in islice(source, AT_ONCE):
                waiting.append(pool.submit(_one, payload, hand_in))
            while waiting:
                yield waiting.popleft().result()
                for payload in islice(source, 1):
                    waiting.append(pool.submit(_one, payload, hand_in))
        finally:
            for one in waiting:
                one.cancel()


def look(payloads: Iterable[Mapping[str, Any]]) -> Iterator[Fed]:
    """Yield what would be handed in, `started` or `invalid`, in its order. Nothing is written."""
    for payload in payloads:
        try:
            found = address_of(payload) or str(read_payload(payload).id)
        except DocumentError as error:
            yield _invalid(payload, error)
        else:
            yield Fed(found, "started")


def _one(payload: Mapping[str, Any], hand_in: "Callable[[Mapping[str, Any]], Processed]") -> Fed:
    try:
        found = hand_in(payload)
    except WRONG as error:
        return _invalid(payload, error)
    id = found.run.key.partition(":")[2]
    return Fed(id, "started") if found.started else Fed(id, "skipped", f"is {found.run.state}")


def _invalid(payload: object, error: PileusError) -> Fed:
    try:
        named = address_of(payload) or str(id_of(payload))
    except DocumentError:
        named = str(payload)[:60]
    return Fed(named, "invalid", f"{type(error).__name__}: {error}")

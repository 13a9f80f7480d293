"""What an entry of the index says of the time before a worker took it."""

from pileus.lifecycle.partition import Entry
from pileus.models import State
from pileus.timing import Hop, Timing


def whole(entry: Entry, recorded: Timing) -> Timing:
    """Return what a worker has recorded, with the listing of its point in time and the wait in the queue before it."""
    listed = Timing.from_json(entry.timing)
    before = dict(listed.moved_to(recorded.began).hops) if listed else {}
    queued, taken = _waited(entry)
    if queued is not None and taken is not None:
        # Who queues and who works may be on machines whose clocks differ.
        before["queue"] = Hop(round(queued - recorded.began, 3), round(max(0.0, taken - queued), 3))
    return recorded.with_hops(before)


def taken_at(entry: Entry) -> float | None:
    """Return when the worker that has it took it, Unix time; None where its past does not say."""
    return _waited(entry)[1]


def _waited(entry: Entry) -> tuple[float | None, float | None]:
    """Return when it was last queued, and when it was last taken after that, Unix time."""
    queued = taken = None
    for step in entry.past:
        if step.state == State.queued:
            queued, taken = step.time, None
        elif step.state == State.running:
            taken = step.time
    return queued, taken

"""One claimed partition, or request, while a worker works on it, and its entry in the index."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pileus.edges.connections import Lease
from pileus.edges.queues import Message
from pileus.errors import Conflict
from pileus.lifecycle.partition import Entry
from pileus.messages import GroupTask, RequestTask
from pileus.models import State
from pileus.timing import Recorder
from pileus.wiring import Edges

TRIES = 5
"""How often storing one step is tried while other writes come between."""


@dataclass
class Job:
    """One claimed partition, or request, while a worker works on it."""

    message: Message
    task: GroupTask | RequestTask
    entry: Entry
    slot: Lease | None = None
    """One of the `max_running` places of its backfill; None where there is no limit."""
    priced: bool = False
    """Whether its seconds count against the `--max-dollars` of its backfill."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set when the work should stop, whatever the cause."""
    cause: str = ""
    """Why the work stops; empty while it goes on. `stop`: this worker ends. `later`: something that the work needs is
    missing now. `lost`: the claim is gone, to another worker or with a stop. `backfill`: the backfill was stopped."""
    timing: Recorder = field(default_factory=Recorder)
    """Where its time goes; its own clock begins when the work does."""
    done: threading.Event = field(default_factory=threading.Event)
    here: dict[str, int] = field(default_factory=dict)
    """Bytes so far, by file."""

    def stop(self, cause: str) -> None:
        """Ask the work to stop. Only the first cause is kept."""
        self.cause = self.cause or cause
        self.cancelled.set()

    def progress(self, name: str, size: int) -> None:
        """Note how many bytes of a file have arrived."""
        self.here[name] = size

    @property
    def claim(self) -> str:
        """Return the token of the claim."""
        return self.entry.claim or ""

    @property
    def downloaded(self) -> int:
        """Return the bytes that have arrived."""
        return sum(self.here.copy().values())

    @property
    def named(self) -> dict[str, Any]:
        """Return the fields that each log line about the job carries."""
        return {self.entry.subject.kind: self.entry.subject.key, "run": self.entry.run, "attempt": self.entry.attempt}


def move(edges: Edges, job: Job, step: Callable[[Entry], Entry | None]) -> bool:
    """Store what `step` makes of the job's entry. Return False when another worker has the claim."""
    for _ in range(TRIES):
        following = step(job.entry)
        if following is None:
            return False
        try:
            job.entry = edges.index.put(following)
        except Conflict:
            stored = edges.index.entry(job.entry.subject)
            if stored is None or stored.claim != job.claim or stored.state is not State.running:
                return False
            job.entry = stored  # our earlier write was stored, but its answer was lost
        else:
            return True
    return False

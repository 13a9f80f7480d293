"""What a worker keeps from one task to the next, and how it follows the one that it does now."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from uuid import uuid4

from pileus.cell.cell import Cell
from pileus.cell.inside import Here, Inside
from pileus.cell.room import Room
from pileus.edges.late_delete import LateDelete
from pileus.edges.store import Store
from pileus.outputs.zone_sets import Seen
from pileus.scratch.need import Need
from pileus.scratch.volume import PATIENCE, Volume
from pileus.stopping import unless
from pileus.stratus.graph import Graph
from pileus.timing import Recorder
from pileus.zonal import MemoryCache, TieredCache, ZoneIndexCache, Zones


@dataclass
class WorkerState:
    """What a worker keeps between two tasks: its scratch volume, and the zones and indexes that it has read."""

    scratch: Path
    """Root of the volume, which other workers may share."""
    patience: float = PATIENCE
    """Seconds for which downloads of dead workers are kept there for the next worker."""
    needs: dict[str, Need] = field(default_factory=dict)
    """By collection."""
    zones: dict[str, Zones] = field(default_factory=dict)
    zone_sets: dict[str, Seen] = field(default_factory=dict)
    """By address."""
    indexes: MemoryCache = field(default_factory=MemoryCache)
    looked: set[str] = field(default_factory=set)
    """Collections, with their parameters, of which a file was opened without an error."""
    cell: Cell | None = None
    """Where strangers' files are opened; None: in this process."""
    graph: tuple[str, Graph] | None = None
    """The last graph that it worked on, by its subject and the mark of its input: a long one takes a while to read, and
    a worker does many messages of it."""
    late: LateDelete | None = None
    """Staged objects of tasks that have published; they are deleted in the background."""

    @cached_property
    def volume(self) -> Volume:
        """Return this worker's share of the scratch volume."""
        return Volume(self.scratch, patience=self.patience).open()

    def inside(self, purpose: str) -> Inside:
        """Return what opens the files of a collection. `purpose`: it and its provider."""
        return Room(self.cell, purpose) if self.cell else Here()

    def cache_of(self, store: ZoneIndexCache) -> ZoneIndexCache:
        """Return the cache of indexes. A cell keeps those that it was given itself."""
        return store if self.cell else TieredCache(self.indexes, store)

    def delete_of(self, store: Store) -> LateDelete:
        """Return what deletes objects of the tasks' store."""
        self.late = self.late or LateDelete(store)
        return self.late

    def close(self) -> None:
        """Delete what is still to be deleted, end the cell, and leave the scratch volume."""
        if self.late:
            self.late.flush()
        if self.cell:
            self.cell.close()
        self.volume.close()


@dataclass(frozen=True)
class TaskControl:
    """How a task reports its progress, and learns that it should stop."""

    progress: Callable[[str, int], None] | None = None
    """Called with a file's name and the bytes that arrived."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    claim: str = field(default_factory=lambda: uuid4().hex)
    """Token of the worker's claim on the partition."""
    claimed: Callable[[], bool] | None = None
    """Says whether the index still names this claim; None for a task without an index."""
    timing: Recorder = field(default_factory=Recorder)
    """What records where the time goes."""

    def check(self) -> None:
        """Raise HandedBack when the work should stop."""
        unless(self.cancelled)()

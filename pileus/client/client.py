"""The client: one object to ask everything of a stack, from a notebook, a program or the command line."""

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Unpack

from pileus.client.rules import RowRules

if TYPE_CHECKING:
    from pileus.backfills.status import Status
    from pileus.client.protocol import Backfills, Documents, Granules, Graphs, Operations, Outputs, Runs
    from pileus.client.rows import Rows

PAUSE = 1.0
"""Seconds between two looks of `wait`."""


class Client(ABC):
    """What can be asked of a stack, room by room. A room is imported when it is first entered."""

    @property
    @abstractmethod
    def backfills(self) -> "Backfills":
        """Return the backfills."""

    @property
    @abstractmethod
    def documents(self) -> "Documents":
        """Return collections, providers, rules and zones."""

    @property
    @abstractmethod
    def outputs(self) -> "Outputs":
        """Return rows, series and objects."""

    @property
    @abstractmethod
    def runs(self) -> "Runs":
        """Return runs of processes, and partitions as runs."""

    @property
    @abstractmethod
    def granules(self) -> "Granules":
        """Return granules."""

    @property
    @abstractmethod
    def graphs(self) -> "Graphs":
        """Return requests of Stratus."""

    @property
    @abstractmethod
    def operations(self) -> "Operations":
        """Return what keeps a stack in order."""

    def statistics(self, collection: str, **rules: Unpack[RowRules]) -> "Rows":
        """Return the rows of a collection, which notebooks show as a table. `.to_pandas()` makes a DataFrame.

        Raises Unknown for what does not exist, and UsageError for a period that is none.
        """
        from pileus.client.rows import Rows

        return Rows(collection, self.outputs.statistics(collection, **rules))

    def wait(self, id: str, *, seconds: float | None = None) -> "Status":
        """Wait until a backfill is over, and return its last status. Notebooks show its grid meanwhile.

        `seconds`: the longest time; None: as long as it takes. Raises Unknown, and TimeoutError when it goes on.
        """
        from pileus.client.notebook import Cell

        cell, began = Cell(), time.monotonic()
        while True:
            found = self.backfills.status(id)
            cell.show(found)
            if found.backfill.over:
                return found
            if seconds is not None and time.monotonic() - began > seconds:
                raise TimeoutError(f"{id} goes on after {seconds:g} s")
            time.sleep(PAUSE)

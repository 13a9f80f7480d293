"""Turns: when each archive of a job may begin, so that they use the machine and do not crowd it.

One may always be read. Another begins while a core of the machine is free; and while those that are read wait for their
provider, so that more connections may bring more.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pileus.cell.cores import Cores
from pileus.cell.pumps import Pumps
from pileus.cell.results import BadAnswer
from pileus.stopping import Check
from pileus.zonal import Source

SETTLE = 0.3
"""Seconds for which those that are read must have waited for their provider before another begins."""


class Turns:
    """The archives of one job, as a child asks for them."""

    def __init__(self, sources: Sequence[Source], cores: Cores, check: Check) -> None:
        self._sources, self._cores, self._pumps = sources, cores, Pumps(check)
        self._reading: dict[int, Callable[[], None]] = {}
        """What gives back the core of each."""
        self._begun: set[int] = set()
        self._last = 0.0
        self.check = self._pumps.check

    @contextmanager
    def asked(self, value: Any) -> Iterator[tuple[bool, list[int]]]:
        """Yield whether a file may begin, and its bytes, where it arrives, in an open pipe. Raises BadAnswer for a file
        that there is not, or that has begun.
        """
        number = self._number(value)
        if number in self._begun:
            raise BadAnswer("a file twice")
        if not self._may_begin(number):
            yield False, []
            return
        self._begun.add(number)
        source, pipes = self._sources[number], list[int]()
        if source.open is not None:
            pipes.append(self._pumps.begin(source.name, source.open))
        try:
            yield True, pipes
        finally:
            for pipe in pipes:
                os.close(pipe)

    def _may_begin(self, number: int) -> bool:
        core, now = self._cores.take(), time.monotonic()
        if core is None and self._reading and not (now - self._last > SETTLE and self._pumps.wait_for_providers):
            return False
        self._reading[number], self._last = core or _nothing, now
        return True

    def end(self, value: Any) -> None:
        """Note that a file has ended. Raises BadAnswer for one that is not being read."""
        number = self._number(value)
        if number not in self._reading:
            raise BadAnswer("the end of a file that was not begun")
        self._reading.pop(number)()

    def _number(self, value: Any) -> int:
        if type(value) is not int or not 0 <= value < len(self._sources):
            raise BadAnswer("no file")
        return value

    def close(self) -> None:
        """Give all cores back, and end what still arrives."""
        for give_back in self._reading.values():
            give_back()
        self._reading.clear()
        self._pumps.close()


def _nothing() -> None:
    """There is no core to give back."""

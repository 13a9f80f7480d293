"""A cell as the worker holds it: asks a child for each job, gives it what it needs, and checks what it answers."""

import os
import signal
import struct
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

from pileus import errors
from pileus.cell.channel import Channel, Closed, TooLong, sealed
from pileus.cell.confine import Limits
from pileus.cell.cores import Cores
from pileus.cell.results import BadAnswer
from pileus.cell.servant import Child, Servant
from pileus.cell.zone_file import zones_to_bytes
from pileus.errors import ArchiveError, PileusError
from pileus.names import one_line
from pileus.raster.grid import Grid
from pileus.stopping import Check
from pileus.zonal import ZoneIndexCache, Zones
from pileus.zonal.index import CoverageRule, ZoneIndex, index_key

JOBS = 200
"""Jobs of a child before another takes its place."""
INDEX = 8 << 30
"""Most bytes of an index."""
ERRORS = ("ArchiveError", "RasterError", "ZonesError", "UsageError", "NoSpace", "PileusError")
"""Errors that a child may tell."""
Told = tuple[str, Mapping[str, Any], bytes]
"""What a child says: its kind, value and bytes."""


class Cell:
    """What a worker keeps of its cell: the fork server, one child, and the zones and indexes that it has given."""

    def __init__(self, environ: Mapping[str, str], scratch: Path, limits: Limits) -> None:
        """Start the fork server. `scratch`: the one folder that children may write to; workers whose folders lie beside
        it share the machine.
        """
        self.servant, self.limits, self.cores = Servant(environ, scratch, limits), limits, Cores(scratch.parent)
        self._child: Child | None = None
        self._zones: dict[str, int] = {}
        self._indexes: dict[str, tuple[str, int]] = {}
        """Hash of its zones, and open file, of each index, by key."""

    @contextmanager
    def child(self, purpose: str, check: Check) -> Iterator[Child]:
        """Lend the child that does the jobs of `purpose`. It is ended if the block raises, and after many jobs."""
        mine, self._child = self._child, None
        if mine and (mine.purpose != purpose or mine.jobs >= JOBS or mine.dead):
            mine.kill()
            mine = None
        mine = mine or self.servant.child(purpose, check)
        try:
            yield mine
        except BaseException:
            mine.kill()
            raise
        self._child = mine

    def zones(self, zones: Zones) -> int:
        """Return zones as an open file that nobody can change."""
        if zones.hash not in self._zones:
            self._zones[zones.hash] = sealed(zones_to_bytes(zones), "zones")
        return self._zones[zones.hash]

    def index(
        self, zones: Zones, grid: Grid, rule: CoverageRule, cache: ZoneIndexCache | None, check: Check
    ) -> tuple[str, int]:
        """Return the key of an index and the open file of it, from `cache`, or compiled.

        A child of its own compiles it, which has seen nothing but these zones and this grid: no file of a provider can
        spoil an index that others share.
        """
        key = index_key(zones, grid, rule)
        if key not in self._indexes:
            content = cache.get(key) if cache else None
            if content is None or not _sound(content):
                content = self._compiled(zones, grid, rule, check)
                if cache:
                    cache.put(key, content)
            self._indexes[key] = zones.hash, sealed(content, "index")
        return key, self._indexes[key][1]

    def forget(self, zones: Zones) -> None:
        """Let go of zones that no other job will need, and of their indexes."""
        if zones.hash in self._zones:
            os.close(self._zones.pop(zones.hash))
        for key in [key for key, (digest, _) in self._indexes.items() if digest == zones.hash]:
            os.close(self._indexes.pop(key)[1])

    def _compiled(self, zones: Zones, grid: Grid, rule: CoverageRule, check: Check) -> bytes:
        child = self.servant.child("index", check)
        try:
            job = {"job": "index", "zones": zones.hash, "grid": astuple(grid), "rule": rule}
            for _, _, content in self.talk(child, job, [self.zones(zones)], check, ["zones"], INDEX):
                if _sound(content):
                    return content
            raise BadAnswer("no index")
        finally:
            child.kill()

    def talk(
        self, child: Child, job: Mapping[str, Any], files: Sequence[int], check: Check, names: Sequence[str], most: int
    ) -> Generator[Told, None, None]:
        """Have a child do a job. Yield what it says; the last is `done`. `names`: what it reads, for messages.

        Raises what the child tells, ArchiveError when it dies or says what it never should, and what `check` raises.
        """
        channel: Channel = child.channel
        channel.check, child.jobs = check, child.jobs + 1
        where = names[0] if len(names) == 1 else None
        try:
            channel.send(job, files=files)
            while True:
                with _checked():
                    value, body = channel.receive(most)
                    kind = str(next(iter(value)))
                    if kind == "reading":
                        where = names[int(value[kind])]
                        continue
                    if kind == "error":
                        raise _error(value[kind], where)
                yield kind, value[kind], body
                if kind == "done":
                    return
        except Closed as exc:
            raise self._death(child, where) from exc
        except BadAnswer as exc:
            raise odd(exc, where) from exc

    def _death(self, child: Child, where: str | None) -> PileusError:
        status = self.servant.status_of(child)
        number = os.WTERMSIG(status) if status is not None and os.WIFSIGNALED(status) else 0
        if number == signal.SIGXCPU:
            why = f"took more processor time than its limit of {self.limits.seconds:,} s"
        elif number == signal.SIGKILL:
            why = "was ended by the system, which does that when memory is short"
        elif not number:
            why = "ended" if status is None else f"ended with status {os.waitstatus_to_exitcode(status)}"
        else:
            name, memory = signal.Signals(number).name, self.limits.memory / 2**30
            why = f"crashed ({name}): the file is damaged, or needs more memory than the limit of {memory:.3g} GiB"
        return ArchiveError(f"cannot be read: the process that read it {why}", where=where)

    def close(self) -> None:
        """End the child and the fork server."""
        if self._child:
            self._child.kill()
        self._child = None
        self.servant.close()
        for file in (*self._zones.values(), *(file for _, file in self._indexes.values())):
            os.close(file)
        self._zones, self._indexes = {}, {}


def odd(why: BadAnswer, where: str | None) -> ArchiveError:
    """Return the error of a child that answers what it never should."""
    return ArchiveError(f"cannot be read: the process that read it answered with {why}", where=where)


@contextmanager
def _checked() -> Iterator[None]:
    """Turn what a malformed message raises into BadAnswer."""
    try:
        yield
    except PileusError:
        raise
    except (TooLong, ValueError, LookupError, TypeError, AttributeError, StopIteration, RecursionError) as exc:
        raise BadAnswer("a malformed message") from exc


def _error(value: Mapping[str, Any], where: str | None) -> PileusError:
    """Return the error that a child tells."""
    name, message, place = value["name"], value["message"], value["where"]
    if name not in ERRORS or not isinstance(message, str) or not (place is None or isinstance(place, str)):
        raise BadAnswer("an error that there is not")
    kind: type[PileusError] = getattr(errors, name)
    return kind(one_line(message, 2000), where=one_line(place, 1000) if place else where)


def _sound(content: bytes) -> bool:
    with suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError, struct.error):
        ZoneIndex.from_bytes(content)
        return True
    return False

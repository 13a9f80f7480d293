"""The jobs of one collection in a cell: measure and draw, and tasks. An `Inside`."""

import os
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any, cast

from pileus.cell.cell import Cell, odd
from pileus.cell.channel import sealed
from pileus.cell.gippy import measured_by_gippy
from pileus.cell.jobs import archives_to_json, source_to_json
from pileus.cell.pixels import pixels_from_numbers
from pileus.cell.results import BadAnswer, facts_of, grid_from, measured_from_numbers, most_bytes
from pileus.cell.turns import Turns
from pileus.cell.zone_file import zones_of
from pileus.documents import Band, Process
from pileus.download.parts import MOST
from pileus.errors import UnsafeName
from pileus.names import FileName
from pileus.outputs.draw import Drawing, Drawn, DrawTask
from pileus.stopping import Check
from pileus.worker_tasks import Work, WorkerTask
from pileus.zonal import Measured, Source, ZoneIndexCache, Zones
from pileus.zonal.pixels import Pixels, Within

OUTPUT = 4 << 30
"""Most bytes of one output."""
ZONES = 1 << 30
"""Most bytes of zones that were read from a stranger's file."""
MARGIN = 1 << 20
"""Bytes that an answer may have beside its numbers."""
OUTPUTS = 10_000
"""Most outputs of a task."""
MAGIC = {"clip": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "picture": (b"\x89PNG\r\n\x1a\n",)}
"""What the bytes of a drawn output begin with."""
CONTENT_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9.+-]{1,80}(; ?[a-z]+=[A-Za-z0-9-]{1,40})*")


class Room:
    """Does the jobs of one collection in a cell."""

    def __init__(self, cell: Cell, purpose: str) -> None:
        """`purpose`: the collection and its provider; files of another are opened by another child."""
        self._cell, self._purpose = cell, purpose

    def measure(
        self,
        sources: Sequence[Source],
        process: Process,
        zones: Zones,
        *,
        bands: Mapping[str, Band],
        cache: ZoneIndexCache | None,
        scratch: Path,
        check: Check,
        task: DrawTask | None,
    ) -> tuple[Measured, Drawing]:
        """Do as `pileus.outputs.draw.measure_and_draw`, with the collection's engine.

        The child is lent until all is drawn.
        """
        job = {
            "job": "measure",
            **_rules(process, bands),
            "sources": [source_to_json(source) for source in sources],
            "zones": zones.hash,
            "scratch": str(scratch),
            "draw": task.to_json() if task else None,
        }
        each = any(bands[name].time == "each" for name in process.bands if name in bands)
        most = most_bytes(sources, process, zones, each=each)
        told = self._told(job, sources, process, zones, cache, check, most)
        measured = cast(Measured, next(told))
        if task is None:
            list(told)  # only the end is left, and the child is free
        try:
            limits = self._cell.limits
            measured = measured_by_gippy(measured, sources, process, zones, scratch=scratch, check=check, limits=limits)
        except BaseException:
            told.close()
            raise
        return measured, cast(Drawing, told)

    def _told(
        self,
        job: Mapping[str, Any],
        sources: Sequence[Source],
        process: Process,
        zones: Zones,
        cache: ZoneIndexCache | None,
        check: Check,
        most: int,
    ) -> Generator[Measured | Drawn, None, None]:
        """Have a child measure and draw. Yield the statistics first, and then each output."""
        cell, names, draws = self._cell, [source.name for source in sources], job["draw"] is not None
        may = {(kind, band, zone) for kind in MAGIC for band in process.bands for zone in zones.ids} if draws else set()
        most, measured = max(most, OUTPUT if draws else 0), False
        with (
            closing(Turns(sources, cell.cores, check)) as turns,
            cell.child(self._purpose, check) as child,
            _judged(self._purpose),
        ):
            for kind, value, body in cell.talk(child, job, [cell.zones(zones)], turns.check, names, most):
                if kind == "index" and not measured:
                    key, file = cell.index(zones, grid_from(value), process.coverage, cache, check)
                    child.keys.add(key)
                    child.channel.send({"key": key}, files=[file])
                elif kind == "bring" and not measured:
                    _bring(sources, value)
                    child.channel.send({})
                elif kind == "begin" and not measured:
                    with turns.asked(value) as (go, pipes):
                        child.channel.send({"go": go}, files=pipes)
                elif kind == "end" and not measured:
                    turns.end(value)
                    child.channel.send({})
                elif kind == "measured" and not measured:
                    measured = True
                    yield measured_from_numbers(value, body, sources, process, zones, child.keys)
                elif kind == "drawn" and measured:
                    drawn = _drawn(kind, value, body)
                    if (drawn.kind, drawn.band, drawn.zone) not in may:
                        raise BadAnswer("an output that was not asked for, or twice")
                    may.remove((drawn.kind, drawn.band, drawn.zone))
                    yield drawn
                    child.channel.send({})
                elif kind == "done" and measured:
                    return
                else:
                    raise BadAnswer("what was not asked for")

    def look(self, source: Source, process: Process, bands: Mapping[str, Band], *, scratch: Path, check: Check) -> None:
        """Do as `pileus.zonal.look.look`."""
        job = {"job": "look", **_rules(process, bands), "sources": [source_to_json(source)], "scratch": str(scratch)}
        with self._cell.child(self._purpose, check) as child, _judged(self._purpose):
            for kind, _, _ in self._cell.talk(child, job, [], check, [source.name], 0):
                if kind != "done":
                    raise BadAnswer("what was not asked for")

    def pixels(
        self,
        sources: Sequence[Source],
        process: Process,
        within: Within,
        *,
        bands: Mapping[str, Band],
        most: int,
        scratch: Path,
        check: Check,
    ) -> Pixels:
        """Do as `pileus.zonal.pixels.read_pixels`."""
        told = [source_to_json(source) for source in sources]
        job = {"job": "pixels", **_rules(process, bands), "sources": told, "within": [within.x, within.y], "most": most}
        names = [source.name for source in sources]
        with self._cell.child(self._purpose, check) as child, _judged(self._purpose):
            asked = job | {"scratch": str(scratch)}
            *_, (kind, value, body) = self._cell.talk(child, asked, [], check, names, most + MARGIN)
            if kind != "done":
                raise BadAnswer("what was not asked for")
            return pixels_from_numbers(value, body, process)

    def zones(self, content: bytes, *, zone_id: str | None, where: str, check: Check) -> Zones:
        """Do as `pileus.zonal.read_zones`, for a stranger's file of zones."""
        job, file = {"job": "zones", "zone_id": zone_id, "where": where}, sealed(content, "zones")
        try:
            with self._cell.child(self._purpose, check) as child, _judged(where):
                for kind, value, body in self._cell.talk(child, job, [file], check, [where], ZONES):
                    if kind != "done":
                        raise BadAnswer("what was not asked for")
                    zones = zones_of(value, body)
            return zones
        finally:
            os.close(file)

    def forget(self, zones: Zones) -> None:
        """Keep nothing of zones that no other job will need."""
        self._cell.forget(zones)

    def run(self, task: WorkerTask, work: Work) -> None:
        """Do a task of a collection."""
        cell = self._cell
        job = {
            "job": "task",
            "task": task.name,
            "partition": astuple(work.partition),
            "parameters": dict(work.parameters),
            "archives": archives_to_json(work.archives),
            "scratch": str(work.scratch),
        }
        names = [archive.granule.file.name for archive in work.archives]
        left = OUTPUTS
        with cell.child(self._purpose, work.check) as child, _judged(self._purpose):
            for kind, value, body in cell.talk(child, job, [], work.check, names, OUTPUT):
                if kind == "done":
                    return
                if kind != "put" or not left:
                    raise BadAnswer("what was not asked for")
                left -= 1
                name, content_type = _put(value)
                work.put(name, body, content_type)
                child.channel.send({})


def _rules(process: Process, bands: Mapping[str, Band]) -> dict[str, Any]:
    """Return what a job says of a collection."""
    told = {name: band.model_dump(mode="json", exclude_defaults=True) for name, band in bands.items()}
    return {"process": process.model_dump(mode="json", exclude_defaults=True), "bands": told}


@contextmanager
def _judged(where: str) -> Iterator[None]:
    """Turn BadAnswer into the error of the group."""
    try:
        yield
    except BadAnswer as exc:
        raise odd(exc, where) from exc


def _bring(sources: Sequence[Source], value: Any) -> None:
    """Fetch the bytes that a child asks for. Raises BadAnswer for a file or ranges that there are not."""
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[1], list):
        raise BadAnswer("no ranges")
    number, ranges = value
    if type(number) is not int or not 0 <= number < len(sources) or len(ranges) > MOST:
        raise BadAnswer("no ranges")
    bring = sources[number].bring
    if bring is None or not all(_is_range(one) for one in ranges):
        raise BadAnswer("no ranges")
    bring((first, last) for first, last in ranges)


def _is_range(value: Any) -> bool:
    ends = isinstance(value, list) and len(value) == 2 and all(type(one) is int for one in value)
    return ends and 0 <= value[0] <= value[1] <= 1 << 62


def _drawn(kind: str, value: Mapping[str, Any], body: bytes) -> Drawn:
    if kind != "drawn" or not isinstance(value, dict) or set(value) != {"kind", "band", "zone", "facts"}:
        raise BadAnswer("what was not asked for")
    what, band, zone = value["kind"], value["band"], value["zone"]
    if not all(isinstance(text, str) for text in (what, band, zone)):
        raise BadAnswer("an output without a name")
    if not body.startswith(MAGIC.get(what, ())):
        raise BadAnswer("an output of another format")
    return Drawn(what, band, zone, body, facts_of(value["facts"]))


def _put(value: Any) -> tuple[str, str]:
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(text, str) for text in value):
        raise BadAnswer("an output without a name")
    name, content_type = value
    if not CONTENT_TYPE.fullmatch(content_type):
        raise BadAnswer("an output of no type")
    try:
        return FileName(name), content_type
    except UnsafeName as exc:
        raise BadAnswer("an output whose name is no file's") from exc

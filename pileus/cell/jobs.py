"""What a child does: one job after the other, each asked for in one message. Runs confined; see `confine`.

{"job": "measure" | "look" | "pixels" | "task" | "index" | "zones", ...}, the zones in an open file; of `zones` a file
    <- {"reading": number of the file that is opened now}
    <- {"bring": [number of a file, [[first, last], ...]]}     -> {}
    <- {"begin": number of a file}     -> {"go": whether it may begin}, its bytes in an open pipe where it arrives
    <- {"end": number of a file}     -> {}
    <- {"index": grid, "rule": rule}     -> {"key": key}, the index in an open file
    <- {"measured": facts}, the numbers; what is drawn follows
    <- {"drawn": ...} or {"put": ...}, an output's bytes     -> {}
    <- {"done": ...} or {"error": ...}: the last message
"""

import errno
import mmap
import os
import traceback
from collections.abc import Callable, Mapping
from dataclasses import astuple
from datetime import date
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from pileus.cell.channel import Channel, Closed
from pileus.cell.confine import Limits, allow_seconds
from pileus.cell.pixels import pixels_to_numbers
from pileus.cell.results import measured_to_numbers
from pileus.cell.zone_file import zones_from_bytes, zones_to_bytes
from pileus.documents import Band, Process
from pileus.download.parts import few
from pileus.errors import NoSpace, PileusError, RasterError
from pileus.models import Archive, Granule, Partition
from pileus.outputs.draw import DrawTask, measure_and_draw
from pileus.raster.byte_ranges import Ranges
from pileus.raster.grid import Grid
from pileus.raster.request import Place
from pileus.stopping import go_on
from pileus.worker_tasks import Work, task_of
from pileus.zonal import Source, Zones, read_zones
from pileus.zonal.compile import compile_index
from pileus.zonal.index import CoverageRule, ZoneIndex
from pileus.zonal.look import look
from pileus.zonal.pixels import Within, read_pixels

LANES = 6
"""Most archives that are read at once; the worker says when each begins."""
WHOLE, PARTS, ARRIVES = "whole", "parts", "arrives"
"""How the bytes of a file come: they are here, in ranges that are asked for, or in a pipe."""


def serve(channel: Channel, limits: Limits) -> None:
    """Do jobs until the worker closes its end."""
    jobs = Jobs(channel, limits)
    try:
        while True:
            job, _, files = channel.receive_files()
            allow_seconds(limits.seconds)
            try:
                done, body = jobs.do(job, files)
            except Closed:
                raise
            except Exception as error:  # noqa: BLE001  (it is told to the worker, which names the file)
                channel.send({"error": told(error, limits)})
            else:
                channel.send({"done": done}, body)
    except Closed:
        return


def told(error: Exception, limits: Limits) -> dict[str, str | None]:
    """Return an error as a message: the name of one of ours, its sentence, and what it is about."""
    if isinstance(error, PileusError):
        return {"name": type(error).__name__, "message": error.message, "where": error.where}
    if isinstance(error, MemoryError):
        return _of(RasterError, f"needs more memory than its limit of {limits.memory / 2**30:.3g} GiB")
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return _of(RasterError, f"needs a scratch file larger than its limit of {limits.file_size / 2**30:.3g} GiB")
    if isinstance(error, OSError) and error.errno == errno.EMFILE:
        return _of(RasterError, f"needs more open files than its limit of {limits.files}")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _of(NoSpace, "the scratch volume is full")
    place = traceback.extract_tb(error.__traceback__)[-1]
    at = f"{Path(place.filename).name}:{place.lineno}"
    return _of(PileusError, f"unexpected {type(error).__name__} at {at}: {error}")


def _of(kind: type[PileusError], message: str) -> dict[str, str | None]:
    return {"name": kind.__name__, "message": message, "where": None}


class WorkersGate:
    """Lets an archive begin when the worker does, and holds the pipe of one that arrives until it is opened."""

    def __init__(self, numbers: Mapping[str, int], ask: Callable[[Mapping[str, Any]], tuple[Any, list[int]]]) -> None:
        self._numbers, self._ask, self._pipes = numbers, ask, dict[str, int]()

    def begin(self, name: str) -> bool:
        """Return whether a source may begin now."""
        answer, pipes = self._ask({"begin": self._numbers[name]})
        self._pipes.update((name, pipe) for pipe in pipes)
        return bool(answer["go"])

    def end(self, name: str) -> None:
        """Note that a source has ended."""
        self._ask({"end": self._numbers[name]})

    def pipe(self, name: str) -> BinaryIO:
        """Return the bytes of a source that has begun."""
        return open(self._pipes.pop(name), "rb", buffering=0)  # noqa: PTH123  (a pipe, which the reader closes)


class Jobs:
    """The jobs, and the zones and indexes that are kept from one to the next."""

    def __init__(self, channel: Channel, limits: Limits) -> None:
        self._channel, self._limits = channel, limits
        self._turn = Lock()
        """Held while a question and its answer are on the channel: several threads measure."""
        self._zones: dict[str, Zones] = {}
        self._indexes: dict[tuple[str, str, str], tuple[ZoneIndex, str]] = {}

    def do(self, job: Mapping[str, Any], files: list[int]) -> tuple[Any, bytes]:
        """Do one job. Return what stands in its last message, and its bytes."""
        try:
            jobs = {
                "measure": self._measure,
                "look": self._look,
                "pixels": self._pixels,
                "task": self._task,
                "index": self._index,
                "zones": self._read_zones,
            }
            return jobs[job["job"]](job, files)
        finally:
            for file in files:
                os.close(file)

    def _measure(self, job: Mapping[str, Any], files: list[int]) -> tuple[Any, bytes]:
        zones, process = self._zones_of(job, files), Process.model_validate(job["process"])

        def fetch(grid: Grid) -> tuple[ZoneIndex, str]:
            return self._fetch(zones, grid, process.coverage)

        numbers = {value[0]: number for number, value in enumerate(job["sources"])}
        gate = WorkersGate(numbers, self._ask)
        sources = [self._source(number, value, gate) for number, value in enumerate(job["sources"])]
        measured, drawing = measure_and_draw(
            sources,
            process,
            zones,
            bands=_bands(job),
            scratch=Path(job["scratch"]),
            check=go_on,
            task=DrawTask.from_json(job["draw"]) if job["draw"] else None,
            fetch=fetch,
            reading=lambda name: self._tell({"reading": numbers[name]}),
            lanes=LANES,
            gate=gate,
        )
        facts, body = measured_to_numbers(measured, sources, process, zones)
        self._channel.send({"measured": facts}, body)
        allow_seconds(self._limits.seconds)
        for one in drawing:
            self._ask({"drawn": {"kind": one.kind, "band": one.band, "zone": one.zone, "facts": one.facts}}, one.body)
        return {}, b""

    def _look(self, job: Mapping[str, Any], _files: list[int]) -> tuple[Any, bytes]:
        process, gate = Process.model_validate(job["process"]), WorkersGate({}, self._ask)
        source = self._source(0, job["sources"][0], gate)
        look(source, process, _bands(job), scratch=Path(job["scratch"]), check=go_on)
        return {}, b""

    def _pixels(self, job: Mapping[str, Any], _files: list[int]) -> tuple[Any, bytes]:
        process = Process.model_validate(job["process"])
        numbers = {value[0]: number for number, value in enumerate(job["sources"])}
        gate = WorkersGate(numbers, self._ask)
        sources = [self._source(number, value, gate) for number, value in enumerate(job["sources"])]
        pixels = read_pixels(
            sources,
            process,
            _bands(job),
            Within(*(tuple(ends) if ends else None for ends in job["within"])),
            most=job["most"],
            scratch=Path(job["scratch"]),
            check=go_on,
            reading=lambda name: self._tell({"reading": numbers[name]}),
        )
        return pixels_to_numbers(pixels, process)

    def _source(self, number: int, value: list[Any], gate: WorkersGate) -> Source:
        """Return a file to measure; the worker brings the bytes of one that is not here, or not whole."""
        name, tile, path, band, (crs, bounds), span, how = value
        place, days = Place(crs, tuple(bounds) if bounds else None), [date.fromisoformat(day) for day in span or ()]

        def bring(ranges: Ranges) -> None:
            self._ask({"bring": [number, few(ranges)]}, b"")

        told: dict[str, Any] = {"band": band, "place": place, "span": (days[0], days[1]) if days else None}
        if how == ARRIVES:
            return Source(name, tile, open=partial(gate.pipe, name), **told)
        return Source(name, tile, Path(path), bring=bring if how == PARTS else None, **told)

    def _task(self, job: Mapping[str, Any], _files: list[int]) -> tuple[Any, bytes]:
        def put(name: str, body: bytes, content_type: str) -> None:
            self._ask({"put": [name, content_type]}, body)

        archives = tuple(_archives(job["archives"]))
        partition, folder = Partition(*job["partition"]), Path(job["scratch"])
        task_of(job["task"]).run(Work(partition, archives, job["parameters"], folder, put, go_on))
        return {}, b""

    def _index(self, job: Mapping[str, Any], files: list[int]) -> tuple[Any, bytes]:
        zones, rule = self._zones_of(job, files), job["rule"]
        return {}, compile_index(zones, Grid(*job["grid"]), rule).to_bytes()

    def _read_zones(self, job: Mapping[str, Any], files: list[int]) -> tuple[Any, bytes]:
        zones = read_zones(_whole(files[0]), zone_id=job["zone_id"], where=job["where"])
        return list(zones.notes), zones_to_bytes(zones)

    def _zones_of(self, job: Mapping[str, Any], files: list[int]) -> Zones:
        digest = job["zones"]
        if digest not in self._zones:
            self._zones = {digest: zones_from_bytes(_whole(files[0]))}
        return self._zones[digest]

    def _fetch(self, zones: Zones, grid: Grid, rule: CoverageRule) -> tuple[ZoneIndex, str]:
        """Return an index of the worker's, mapped from the file that it sends."""
        here = (zones.hash, grid.hash, rule)
        if here not in self._indexes:
            answer, files = self._ask({"index": astuple(grid), "rule": rule})
            content: Any = mmap.mmap(files[0], 0, mmap.MAP_PRIVATE, mmap.PROT_READ)
            os.close(files[0])
            self._indexes[here] = ZoneIndex.from_bytes(content), answer["key"]
        return self._indexes[here]

    def _tell(self, value: Mapping[str, Any]) -> None:
        with self._turn:
            self._channel.send(value)

    def _ask(self, value: Mapping[str, Any], body: bytes = b"") -> tuple[Any, list[int]]:
        """Return the worker's answer, and open files, which the caller closes."""
        with self._turn:
            self._channel.send(value, body)
            answer, _, files = self._channel.receive_files()
            return answer, files


def _whole(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)


def _bands(job: Mapping[str, Any]) -> dict[str, Band]:
    return {name: Band.model_validate(band) for name, band in job["bands"].items()}


def source_to_json(source: Source) -> list[Any]:
    """Return what `Jobs._source` reads."""
    span = [day.isoformat() for day in source.span] if source.span else None
    place, how = [source.place.crs, source.place.bounds], WHOLE
    if source.open is not None:
        how = ARRIVES
    elif source.bring is not None:
        how = PARTS
    return [source.name, source.tile, str(source.path or ""), source.band, place, span, how]


def archives_to_json(archives: tuple[Archive, ...]) -> list[Any]:
    """Return what `_archives` reads."""
    return [[one.granule.to_json(), str(one.path), one.size, one.sha256] for one in archives]


def _archives(values: list[Any]) -> list[Archive]:
    return [Archive(Granule.from_json(granule), Path(path), size, sha) for granule, path, size, sha in values]

"""The work on strangers' files, as a worker asks for it: in a cell (`room`), or here, where there is none."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pileus.cell.gippy import measured_by_gippy
from pileus.documents import Band, Process
from pileus.outputs.draw import Drawing, DrawTask, measure_and_draw
from pileus.stopping import Check
from pileus.worker_tasks import Work, WorkerTask
from pileus.zonal import Measured, Source, ZoneIndexCache, Zones, read_zones
from pileus.zonal.look import look
from pileus.zonal.pixels import Pixels, Within, read_pixels


class Inside(Protocol):
    """Opens the files of one collection."""

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

        Close the drawing before another job is asked for.
        """
        ...

    def look(self, source: Source, process: Process, bands: Mapping[str, Band], *, scratch: Path, check: Check) -> None:
        """Do as `pileus.zonal.look.look`."""
        ...

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
        ...

    def zones(self, content: bytes, *, zone_id: str | None, where: str, check: Check) -> Zones:
        """Do as `pileus.zonal.read_zones`, for a stranger's file of zones."""
        ...

    def forget(self, zones: Zones) -> None:
        """Keep nothing of zones that no other job will need."""
        ...

    def run(self, task: WorkerTask, work: Work) -> None:
        """Do a task of a collection."""
        ...


class Here:
    """Opens files in this process."""

    look: Callable[..., None] = staticmethod(look)

    def measure(
        self, sources: Sequence[Source], process: Process, zones: Zones, *, scratch: Path, check: Check, **how: Any
    ) -> tuple[Measured, Drawing]:
        """Do as `pileus.outputs.draw.measure_and_draw`, with the collection's engine."""
        measured, drawing = measure_and_draw(sources, process, zones, scratch=scratch, check=check, **how)
        job: dict[str, Any] = {"scratch": scratch, "check": check, "limits": None}
        return measured_by_gippy(measured, sources, process, zones, **job), drawing

    def pixels(
        self, sources: Sequence[Source], process: Process, within: Within, *, bands: Mapping[str, Band], **how: Any
    ) -> Pixels:
        """Do as `pileus.zonal.pixels.read_pixels`."""
        return read_pixels(sources, process, bands, within, **how)

    def zones(self, content: bytes, *, zone_id: str | None, where: str, check: Check) -> Zones:
        """Do as `pileus.zonal.read_zones`."""
        check()
        return read_zones(content, zone_id=zone_id, where=where)

    def forget(self, zones: Zones) -> None:
        """Do nothing: nothing is kept."""

    def run(self, task: WorkerTask, work: Work) -> None:
        """Do a task of a collection."""
        task.run(work)

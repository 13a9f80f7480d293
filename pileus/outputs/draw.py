"""Draw clips and pictures of a group, in the one pass over its archives that measures it."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pileus.documents import Collection, Process
from pileus.models import Partition
from pileus.outputs.gippy_rasters import GippyRasters
from pileus.outputs.stac import clip_facts
from pileus.outputs.windows import Mosaic
from pileus.raster.grid import Grid, Needed, either
from pileus.raster.stored import Stored
from pileus.stopping import Check
from pileus.zonal import Measured, Source, Zones, measure
from pileus.zonal.context import Observer


@dataclass(frozen=True, slots=True)
class Drawn:
    """A clip or a picture of one zone and band."""

    kind: str
    """`clip` or `picture`."""
    band: str
    zone: str
    """Its id."""
    body: bytes
    facts: dict[str, Any]
    """Fields of its STAC asset."""


Drawing = Generator[Drawn, None, None]


@dataclass(frozen=True, slots=True)
class DrawTask:
    """What is drawn of one partition, beside what its process says."""

    period: str
    """Period, for titles."""
    scales: Mapping[str, tuple[float, float]]
    """By band, for those whose collection says it: least and greatest value of the colours."""

    @classmethod
    def of(cls, partition: Partition, collection: Collection) -> "DrawTask | None":
        """Return what a collection asks for; None where that is neither clips nor pictures."""
        rules, bands = collection.meta.process, collection.meta.bands
        if rules is None or not (rules.clips or rules.pictures):
            return None
        return cls(partition.period, {name: band.display for name, band in bands.items() if band.display})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "DrawTask":
        """Read what `to_json` wrote."""
        scales = {band: (least, greatest) for band, (least, greatest) in value["scales"].items()}
        return cls(value["period"], scales)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {"period": self.period, "scales": dict(self.scales)}


def measure_and_draw(
    sources: Sequence[Source],
    process: Process,
    zones: Zones,
    *,
    scratch: Path,
    check: Check,
    task: DrawTask | None,
    **how: Any,
) -> tuple[Measured, Drawing]:
    """Measure sources, as `pileus.zonal.measure`. Return the statistics, and what is drawn as it is asked for.

    `task`: None where nothing is drawn. `how`: further arguments of `measure`. Each source is read once.
    """
    mosaic = Mosaic(process, zones, scratch) if task else None
    if process.engine == "gippy":
        measured = _measure_for_gippy(sources, process, zones, mosaic, scratch=scratch, check=check, **how)
    else:
        measured = measure(sources, process, zones, scratch=scratch, check=check, observer=mosaic, **how)
    return measured, _drawing(task, process, mosaic, measured.units, check) if task and mosaic else nothing()


def _measure_for_gippy(
    sources: Sequence[Source],
    process: Process,
    zones: Zones,
    mosaic: Mosaic | None,
    *,
    scratch: Path,
    reading: Callable[[str], None] = lambda _name: None,
    **how: Any,
) -> Measured:
    """Measure, and leave the rasters that gippy measures on the scratch volume."""
    rasters = GippyRasters(sources, process, zones, scratch)

    def tell(name: str) -> None:
        rasters.reading(name)
        reading(name)

    observer = Both(rasters, mosaic) if mosaic else rasters
    measured = measure(sources, process, zones, scratch=scratch, observer=observer, reading=tell, **how)
    rasters.close()
    return measured


class Both:
    """Two observers as one."""

    def __init__(self, one: Observer, other: Observer) -> None:
        self._both = (one, other)

    @property
    def notes(self) -> list[str]:
        """Return the notes of both."""
        return [note for one in self._both for note in one.notes]

    @property
    def scratch_bytes(self) -> int:
        """Return the bytes of both."""
        return sum(one.scratch_bytes for one in self._both)

    def needed(self, band: str, grid: Grid, stored: Stored, where: str) -> Needed:
        """Return which pixels either takes."""
        first, second = (one.needed(band, grid, stored, where) for one in self._both)
        return either(first, second)

    def take(self, band: str, grid: Grid, number: int, first: int, rows: NDArray[Any]) -> None:
        """Give both the pixels."""
        for one in self._both:
            one.take(band, grid, number, first, rows)


def nothing() -> Drawing:
    """Draw nothing."""
    yield from ()


def _drawing(task: DrawTask, process: Process, mosaic: Mosaic, units: Mapping[str, str], check: Check) -> Drawing:
    """Yield clips where `meta.process.clips` asks for them, quicklooks where `meta.process.pictures` does."""
    from pileus.outputs.clips import cog
    from pileus.outputs.pictures import pictured, quicklook

    for band in process.bands:
        unit = units.get(band, "")
        windows = list(mosaic.windows(band))
        scale = pictured(windows, task.scales.get(band)) if process.pictures else (0.1, 100.0)
        for window in windows:
            check()
            if process.clips:
                yield Drawn("clip", band, window.zone, cog(window, unit), clip_facts(window, unit))
            if process.pictures:
                body = quicklook(window, period=task.period, unit=unit, scale=scale)
                yield Drawn("picture", band, window.zone, body, {})

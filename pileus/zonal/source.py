"""The files to measure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import BinaryIO

from pileus.raster.byte_ranges import Bring
from pileus.raster.request import Place


@dataclass(frozen=True)
class Source:
    """One file to measure: a raster, or an archive with rasters in it. Give `path` or `open`."""

    name: str
    """Name of the file, for messages and rows."""
    tile: str | None = None
    path: Path | None = None
    open: Callable[[], BinaryIO] | None = None
    """Returns a stream of an archive's bytes, which is read once from front to back."""
    band: str | None = None
    """What band a raster file holds, where its name does not say."""
    place: Place = field(default_factory=Place)
    """Where its pixels lie, as far as the file does not say it."""
    span: tuple[date, date] | None = None
    """First day, and the one after the last, of the times that are measured, where it holds several; None: all."""
    bring: Bring | None = None
    """Fetches bytes of a file that is not whole at `path`; None: it is."""

"""`meta.bands` and `meta.grid`: what the numbers of a file are, and where they lie."""

import math
from typing import Any, Literal, Self

from pydantic import Field, PositiveFloat, field_validator, model_validator

from pileus.documents.base import Document
from pileus.documents.valid import Range

Times = Literal["mean", "sum", "min", "max", "each"]


class Band(Document):
    """`meta.bands.NAME`: what a band is, where files have it, and which values its stored numbers stand for."""

    path: str | None = None
    """Where a file has it: a variable or subdataset by its last segment, its whole path or a pattern with `*`; the
    number of a band, from 1; or `*` alone, the only band of a file, whatever that is called. Without it: the file's
    name tells it (NAME.BAND.tif), or the variable or description is called as the band. Example:
    `"*/AllAngle_Composite_Snow_Free"`."""
    select: dict[str, str | float] = Field(default_factory=dict)
    """Which of several fields along dimensions other than time, by dimension (netCDF) or by `level` (GRIB). Example:
    `{"level": 500}`."""
    time: Times | None = None
    """What is made of the fields of several times that a file has for one point in time: the `mean`, `min` or `max` of
    those that a pixel has, or the `sum` where it has all; or rows of `each`, whose column `time` tells it. Without it:
    there must be one field. Example: `"mean"`."""
    scale: Literal["file", "none"] | tuple[float, float] = "file"
    """Factor and offset that make values of stored numbers: `file`, as the file says; `none`, the numbers are the
    values; or both. Example: `[0.1, 0]`."""
    nodata: float | None = None
    """Stored number that means nodata, before scale and offset. Without it: the file's own, or `meta.process.nodata`.
    Example: `65535`."""
    valid_range: Range | None = None
    """Values that the band can have, after scale and offset; others do not count. Without it: any. Example: `[0,
    null]`."""
    unit: str | None = None
    """Unit of the band's values; columns of the tables and labels of pictures have it. Without it: the file's.
    Example: `"nW/cm2/sr"`."""
    description: str | None = None
    """What the band holds, for a person and for STAC. Without it: not said. Example: `"average radiance"`."""
    display: tuple[PositiveFloat, PositiveFloat] | None = None
    """Least and greatest value of the logarithmic colour scale of pictures. Without it: it fits each month's pixels.
    Example: `[1, 100]`."""

    @field_validator("path", mode="before")
    @classmethod
    def _number_is_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("scale")
    @classmethod
    def _factor_is_a_factor(cls, value: Any) -> Any:
        if not isinstance(value, str) and (not all(map(math.isfinite, value)) or value[0] == 0):
            raise ValueError("expected [factor, offset], a factor other than 0")
        return value

    @property
    def numbers(self) -> dict[str, Any]:
        """Return what of it changes statistics, as JSON; empty for a band that only has a unit or a description."""
        told = {"unit", "description", "display"}
        return self.model_dump(mode="json", exclude_defaults=True, exclude=told)


class Tiles(Document):
    """Tiles of one size in rows and columns, named by parts of their files' names."""

    column: str = "h"
    """Named group of the file regex that holds the column, counted from 0 in the west. Example: `"h"`."""
    row: str = "v"
    """Named group of the file regex that holds the row, counted from 0 in the north. Example: `"v"`."""
    size: PositiveFloat = 10
    """Width and height of a tile, in units of the system. Example: `10`."""
    origin: tuple[float, float] = (-180, 90)
    """Upper left corner of the tile in column 0 and row 0. Example: `[-180, 90]`."""

    def bounds(self, column: int, row: int) -> tuple[float, float, float, float]:
        """Return west, south, east and north of a tile.

        >>> Tiles().bounds(17, 8)
        (-10, 0, 0, 10)
        """
        west, north = self.origin[0] + column * self.size, self.origin[1] - row * self.size
        return west, north - self.size, west + self.size, north


class GridRule(Document):
    """`meta.grid`: where the pixels of a file lie. What a file says itself must agree; what it does not say is taken
    from here.
    """

    crs: str | None = Field(None, max_length=20_000)
    """Coordinate reference system: a code or WKT. Without it: the file's. Example: `"EPSG:4326"`."""
    bounds: tuple[float, float, float, float] | None = None
    """Outer edges of each file: west, south, east, north. Without it: the file's. Example: `[-180, -50, 180, 50]`."""
    tiles: Tiles | None = None
    """How a file's name tells its bounds, where files are tiles. Without it: all files have one place. Example:
    `{"column": "h", "row": "v", "size": 10}`."""

    @field_validator("crs")
    @classmethod
    def _is_a_system(cls, value: str | None) -> str | None:
        from rasterio.crs import CRS
        from rasterio.env import Env
        from rasterio.errors import CRSError
        from rasterio.session import DummySession

        if value is not None:
            try:
                with Env(DummySession()):  # else PROJ's own words reach the terminal
                    CRS.from_user_input(value)
            except CRSError as exc:
                raise ValueError("unknown coordinate reference system: expected a code such as EPSG:4326") from exc
        return value

    @model_validator(mode="after")
    def _bounds_are_said_once(self) -> Self:
        if self.bounds and self.tiles:
            raise ValueError("bounds and tiles: expected one of the two")
        if self.bounds and not (self.bounds[0] < self.bounds[2] and self.bounds[1] < self.bounds[3]):
            raise ValueError("bounds: expected west, south, east, north")
        return self

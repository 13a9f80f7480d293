"""A zone over the months as pictures: an animation, and a contact sheet with a row a year."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from rasterio.io import MemoryFile

from pileus.errors import UsageError
from pileus.outputs.pictures import EDGE, FAINT, GROUND, INK, Scale, card, fit, font, map_of, scale_of
from pileus.outputs.windows import Window
from pileus.periods import Period, Unit
from pileus.zonal.reproject import WGS84, reproject

FORMATS = (".webp", ".gif")
IN_A_YEAR = {Unit.month: 12, Unit.quarter: 4, Unit.season: 4}
"""Units of which a row of the contact sheet is a year, and how many a year has."""
THUMB = 108
"""Longer side of a map on the contact sheet, in screen pixels."""


@dataclass(frozen=True)
class Frames:
    """One zone and band over time."""

    name: str
    band: str
    unit: str
    windows: Mapping[Period, Window]
    """A window for each period that has a clip."""
    periods: tuple[Period, ...]
    why: Mapping[str, str]
    """Why a period (ISO 8601) has no clip."""
    display: Scale | None = None
    """The collection's own scale; None: one that fits all periods."""

    @property
    def scale(self) -> Scale:
        return self.display or scale_of(self.windows.values())


def window_of(body: bytes, band: str, zone: str, name: str, shape: Any) -> Window:
    """Return a clip, as `clips.cog` wrote it, as a window. `shape`: the zone in longitude and latitude."""
    with MemoryFile(body) as memory, memory.open() as raster:
        values, valid = raster.read(1), raster.dataset_mask() > 0
        (outline,) = reproject(np.array([shape], dtype=object), WGS84, raster.crs.to_wkt())
        return Window(zone, name, band, values, valid, raster.transform, raster.crs.to_wkt(), outline)


def animate(frames: Frames, format: str, *, milliseconds: int = 500) -> bytes:
    """Return an animated WebP or GIF, a frame a period; a period without a clip is an empty frame that says why.

    Raises UsageError for any other format, or when no period has a clip.
    """
    if format not in FORMATS:
        raise UsageError(f"cannot animate a {format} file: expected {' or '.join(FORMATS)}")
    scale = _some(frames).scale
    images = [
        card(window, period=period.iso, unit=frames.unit, scale=scale)
        if (window := frames.windows.get(period))
        else None
        for period in frames.periods
    ]
    size = max((image.size for image in images if image), key=lambda size: size[0] * size[1])
    shown = [image or _empty(size, frames, period) for image, period in zip(images, frames.periods, strict=True)]
    shown = [_padded(image, size) for image in shown]
    sink = io.BytesIO()
    kind = {".webp": {"format": "WEBP", "quality": 85, "method": 4}, ".gif": {"format": "GIF", "optimize": False}}
    options: dict[str, Any] = kind[format]
    shown[0].save(sink, save_all=True, append_images=shown[1:], duration=milliseconds, loop=0, **options)
    return sink.getvalue()


def _some(frames: Frames) -> Frames:
    if not frames.windows:
        raise UsageError(
            f"zone {frames.name} has no clips to picture: set meta.process.clips to true and process its months"
        )
    return frames


def _empty(size: tuple[int, int], frames: Frames, period: Period) -> Image.Image:
    image = Image.new("RGB", size, GROUND)
    draw = ImageDraw.Draw(image)
    draw.text((20, 14), fit(frames.name, font(20, bold=True), size[0] - 40), INK, font(20, bold=True))
    draw.text((20, 42), f"{period.iso}  ·  {frames.band}  ·  no picture", FAINT, font(13))
    draw.rectangle((20, 68, size[0] - 130, size[1] - 50), outline=EDGE)
    for number, line in enumerate(_wrapped(frames.why.get(period.iso, "no rows"), size[0] - 190)[:6]):
        draw.text((36, 92 + 20 * number), line, FAINT, font(13))
    return image


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font(13).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(fit(word, font(13), width))
    return lines


def _padded(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    if image.size == size:
        return image
    padded = Image.new("RGB", size, GROUND)
    padded.paste(image, (0, 0))
    return padded


def contact_sheet(frames: Frames) -> Image.Image:
    """Return all periods in one picture: a row a year of months, quarters or seasons, else rows of
    twelve. All have one colour
    scale.

    Raises UsageError when no period has a clip.
    """
    scale = _some(frames).scale
    maps = {period: map_of(window, scale, THUMB) for period, window in frames.windows.items()}
    width, height = (max(size) for size in zip(*(image.size for image in maps.values()), strict=True))
    cell, left, top = (width + 10, height + 26), 64, 76
    places = _places(frames.periods)
    rows = max(row for row, _ in places.values()) + 1
    image = Image.new("RGB", (left + 12 * cell[0] + 10, top + rows * cell[1] + 36), GROUND)
    draw = ImageDraw.Draw(image)
    draw.text((20, 14), fit(frames.name, font(22, bold=True), image.width - 40), INK, font(22, bold=True))
    first, last = frames.periods[0].iso, frames.periods[-1].iso
    told = f"{frames.band}  ·  {first} to {last}  ·  {scale[0]:g} to {scale[1]:g} {frames.unit}, logarithmic"
    draw.text((20, 44), fit(told, font(13), image.width - 40), FAINT, font(13))
    for period, (row, column) in places.items():
        x, y = left + column * cell[0], top + row * cell[1]
        draw.text((x + width / 2, y + 9), period.iso[5:] if len(period.iso) > 8 else period.iso, FAINT, font(10), "mm")
        if period in maps:
            image.paste(maps[period], (x, y + 18))
        else:
            draw.rectangle((x, y + 18, x + width - 1, y + 17 + height), outline=EDGE)
            draw.text((x + width / 2, y + 18 + height / 2), "no rows", FAINT, font(11), "mm")
        if column == 0 or period == frames.periods[0]:
            draw.text((14, y + 18 + height / 2), period.year, INK, font(13, bold=True), "lm")
    draw.text((left, image.height - 20), "hatched: not observed", FAINT, font(11), "lm")
    return image


def _places(periods: Sequence[Period]) -> dict[Period, tuple[int, int]]:
    """Return row and column of each period."""
    if a_year := IN_A_YEAR.get(periods[0].unit):
        first = periods[0].number // a_year
        return {period: (period.number // a_year - first, period.number % a_year) for period in periods}
    return {period: divmod(number, 12) for number, period in enumerate(periods)}

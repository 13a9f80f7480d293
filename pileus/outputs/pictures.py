"""Quicklooks: a PNG of one zone in one month, on a logarithmic scale, with hatching where nothing was observed."""

import io
import math
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from rasterio.crs import CRS

from pileus.outputs.windows import Window

MAP = 520
"""Longest side of the map in a quicklook, in screen pixels."""
GROUND, INK, FAINT, EDGE = "#0e141b", "#eef3f8", "#a3b3c2", "#35424f"
OUTLINE = (120, 226, 255)
STOPS = ("#04050f", "#1b1147", "#4f1670", "#8b2a6b", "#c4455a", "#ec7340", "#fbb03b", "#fdf0a8", "#ffffff")
"""Colours from dark to bright: lightness rises evenly, so it also reads in grey."""
HATCH = ((58, 66, 76), (104, 115, 127))
EARTH = 111_320.0
"""Metres of one degree of latitude."""
Scale = tuple[float, float]


def scale_of(windows: Iterable[Window]) -> Scale:
    """Return round numbers around all but the extreme positive valid pixels: a decade below, 1, 2 or 5 above.

    >>> from pileus.outputs.windows import Window
    >>> values = np.array([[0.5, 20.0]])
    >>> window = Window("a", "A", "b", values, values > 0, None, "", None)
    >>> scale_of([window])
    (0.1, 20.0)
    """
    some = [w.values[w.valid & (w.values > 0) & np.isfinite(w.values)][:1_000_000] for w in windows]
    values = np.concatenate([np.asarray(part, np.float64) for part in some]) if some else np.empty(0)
    if not values.size:
        return (0.1, 100.0)
    low, high = np.percentile(values, (2, 99.8))
    bottom = 10.0 ** math.floor(math.log10(low))
    power = 10.0 ** math.floor(math.log10(high))
    return bottom, max(min(step * power for step in (1, 2, 5, 10) if step * power >= high), bottom * 10)


def quicklook(window: Window, *, period: str, unit: str, scale: Scale) -> bytes:
    """Return a quicklook as PNG bytes. `scale`: the values at the ends of the colour bar, both above 0."""
    return png(card(window, period=period, unit=unit, scale=scale))


def png(image: Image.Image) -> bytes:
    sink = io.BytesIO()
    image.save(sink, "PNG", compress_level=4)
    return sink.getvalue()


def card(window: Window, *, period: str, unit: str, scale: Scale) -> Image.Image:
    """Return a quicklook as an image: title, map, colour bar, scale bar."""
    shown = map_of(window, scale, MAP)
    width, height = max(shown.width, 300) + 150, shown.height + 118
    image = Image.new("RGB", (width, height), GROUND)
    draw = ImageDraw.Draw(image)
    draw.text((20, 14), fit(window.name, font(20, bold=True), width - 40), INK, font(20, bold=True))
    share = window.valid.mean() if window.valid.size else 0.0
    told = f"{period}  ·  {window.band}  ·  {share:.0%} observed"
    draw.text((20, 42), fit(told, font(13), width - 40), FAINT, font(13))
    image.paste(shown, (20, 68))
    draw.rectangle((19, 67, 20 + shown.width, 68 + shown.height), outline=EDGE)
    _colour_bar(image, (shown.width + 40, 68), shown.height, scale, unit)
    _scale_bar(draw, window, shown.width, (20, 68 + shown.height + 14))
    return image


def map_of(window: Window, scale: Scale, side: int) -> Image.Image:
    """Return only the pixels and the zone's outline, the longer side about `side` screen pixels, in the ground's
    proportions.
    """
    rows, columns = window.values.shape
    stretch = _stretch(window)
    zoom = side / max(rows, columns * stretch)
    size = (max(1, round(columns * stretch * zoom)), max(1, round(rows * zoom)))
    values, valid = _reduced(window, max(1, math.floor(1 / zoom)))
    pixels = Image.fromarray(colours(values, scale)).resize(size, Image.Resampling.NEAREST)
    seen = Image.fromarray((valid * 255).astype("u1")).resize(size, Image.Resampling.NEAREST)
    image = Image.composite(pixels, _hatched(size), seen)
    return _outlined(image, window, size)


def colours(values: NDArray[Any], scale: Scale) -> NDArray[np.uint8]:
    """Return the RGB of each value on a logarithmic scale. Values below the scale, zero and negative ones have its
    first colour.
    """
    low, high = np.log10(scale[0]), np.log10(scale[1])
    with np.errstate(all="ignore"):
        share = (np.log10(np.maximum(values.astype(np.float64), scale[0])) - low) / (high - low)
    at = np.nan_to_num(np.clip(share, 0, 1), nan=0.0)
    table: NDArray[np.uint8] = _ramp()[(at * 255).round().astype(int)]
    return table


@cache
def _ramp() -> NDArray[np.uint8]:
    stops = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in STOPS], float)
    places = np.linspace(0, len(STOPS) - 1, 256)
    channels = [np.interp(places, np.arange(len(STOPS)), stops[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=1).round().astype("u1")


def _reduced(window: Window, step: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return means of step x step valid pixels, where the window has more pixels than the screen."""
    if step == 1:
        return window.values, window.valid
    rows, columns = (length // step * step for length in window.values.shape)
    shape = (rows // step, step, columns // step, step)
    valid = window.valid[:rows, :columns]
    values = np.where(valid, window.values[:rows, :columns], 0).reshape(shape).sum(axis=(1, 3), dtype=np.float64)
    count = valid.reshape(shape).sum(axis=(1, 3))
    return values / np.maximum(count, 1), count > 0


def _stretch(window: Window) -> float:
    """Return how much wider than high a pixel is on the ground."""
    affine = window.transform
    if not CRS.from_wkt(window.crs).is_geographic:
        return float(abs(affine.a / affine.e))
    middle = affine.f + affine.e * window.values.shape[0] / 2
    return float(abs(affine.a / affine.e) * max(0.1, math.cos(math.radians(middle))))


@cache
def _stripes(width: int, height: int) -> Image.Image:
    rows, columns = np.mgrid[:height, :width]
    lines = ((rows + columns) % 9 < 2)[..., None]
    return Image.fromarray(np.where(lines, HATCH[1], HATCH[0]).astype("u1"))


def _hatched(size: tuple[int, int]) -> Image.Image:
    return _stripes(*size)


def _outlined(image: Image.Image, window: Window, size: tuple[int, int]) -> Image.Image:
    """Return the map with the outline over a dark edge. It is drawn at twice the size and reduced, to be smooth."""
    rows, columns = window.values.shape
    thick = 4 if max(size) > 200 else 2
    over = Image.new("L", (size[0] * 2, size[1] * 2))
    under = over.copy()
    for polygon in shapely.get_parts(window.outline):
        for ring in (polygon.exterior, *polygon.interiors):
            x, y = (np.asarray(c, float) for c in ring.coords.xy)
            across = (x - window.transform.c) / window.transform.a / columns * size[0] * 2
            down = (y - window.transform.f) / window.transform.e / rows * size[1] * 2
            points = np.column_stack([across, down]).round(1).ravel().tolist()
            ImageDraw.Draw(under).line(points, 255, 2 * thick, joint="curve")
            ImageDraw.Draw(over).line(points, 255, thick, joint="curve")
    image = Image.composite(Image.new("RGB", size, (5, 8, 12)), image, under.reduce(2).point(_faded))
    return Image.composite(Image.new("RGB", size, OUTLINE), image, over.reduce(2))


def _faded(value: int) -> float:
    return value * 0.7


def _colour_bar(image: Image.Image, at: tuple[int, int], height: int, scale: Scale, unit: str) -> None:
    draw, (x, y) = ImageDraw.Draw(image), at
    height = min(height, 320)
    bar = Image.fromarray(_ramp()[np.linspace(255, 0, height).astype(int)][:, None, :].repeat(16, axis=1))
    image.paste(bar, (x, y))
    draw.rectangle((x - 1, y - 1, x + 16, y + height), outline=EDGE)
    low, high = (math.log10(end) for end in scale)
    decades = [10.0**exponent for exponent in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]
    for value in sorted({*decades, scale[1]}):
        down = y + height - 1 - round((math.log10(value) - low) / (high - low) * (height - 1))
        draw.line((x + 16, down, x + 21, down), FAINT)
        draw.text((x + 26, down), f"{value:g}", INK, font(12), anchor="lm")
    draw.text((x, y + height + 8), fit(unit, font(12), 104), FAINT, font(12))


def _scale_bar(draw: ImageDraw.ImageDraw, window: Window, width: int, at: tuple[int, int]) -> None:
    """Draw a scale bar of a round length, at most two fifths of the map, and the meaning of the hatching."""
    metres = _width_metres(window)
    length = _round_below(metres * 0.4)
    end = at[0] + round(length / metres * width)
    y = at[1] + 6
    draw.line((at[0], y, end, y), INK, 2)
    for x in (at[0], end):
        draw.line((x, y - 4, x, y + 4), INK, 2)
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    draw.text((end + 8, y), text, INK, font(12), anchor="lm")
    draw._image.paste(_stripes(18, 12), (at[0], y + 14))
    draw.text((at[0] + 25, y + 20), "not observed", FAINT, font(12), anchor="lm")


def _width_metres(window: Window) -> float:
    crs, affine = CRS.from_wkt(window.crs), window.transform
    rows, columns = window.values.shape
    if not crs.is_geographic:
        return float(columns * affine.a * crs.linear_units_factor[1])
    middle = affine.f + affine.e * rows / 2
    return float(columns * affine.a * EARTH * max(0.01, math.cos(math.radians(middle))))


def _round_below(metres: float) -> float:
    """Return the greatest 1, 2 or 5 times a power of ten that is not above the length.

    >>> _round_below(7300), _round_below(2100), _round_below(1.0)
    (5000.0, 2000.0, 1.0)
    """
    power = 10.0 ** math.floor(math.log10(metres))
    return max(step * power for step in (1, 2, 5) if step * power <= metres)


@cache
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, as matplotlib has it: it covers most scripts."""
    found = find_spec("matplotlib")
    assert found is not None  # a dependency
    assert found.submodule_search_locations is not None
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(found.submodule_search_locations[0]) / "mpl-data/fonts/ttf" / name), size)


def fit(text: str, face: ImageFont.FreeTypeFont, width: int) -> str:
    """Return one line of text that is no wider than `width` screen pixels."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if face.getlength(plain) <= width:
        return plain
    low, high = 0, len(plain)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if face.getlength(plain[:middle] + "…") <= width else (low, middle - 1)
    return plain[:low] + "…"


def pictured(windows: Sequence[Window], display: Scale | None) -> Scale:
    """Return the scale of a band's pictures: the collection's own, else what fits all its windows."""
    return display or scale_of(windows)

"""A chart of series over time: values with their gaps above, the valid share below."""

import io
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from pileus.errors import UsageError
from pileus.outputs.series import THIN, Series, rolling

FORMATS = (".png", ".svg", ".pdf")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5fb5", "#8a8a00")
"""Colours of Okabe and Ito, which colour-blind people can distinguish."""
ON_DARK = ("#56b4e9", "#ff8a3d", "#2fd0a0", "#e79ac3", "#f2c14e", "#7fa8ff", "#b39df5", "#cfd35a")
MARKERS = "osD^vPX*"
LIGHT = {"face": "#ffffff", "ink": "#1c2733", "faint": "#5b6875", "grid": "#e3e8ed", "gap": "#c9d1d9"}
DARK = {"face": "#10161d", "ink": "#e8eef4", "faint": "#9fb0c0", "grid": "#26313c", "gap": "#3a4652"}


def format_of(path: Path) -> str:
    """Return `png`, `svg` or `pdf`. Raises UsageError for any other ending."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(
            f"cannot draw a {path.suffix or 'nameless'} file: expected {', '.join(FORMATS)}", where=str(path)
        )
    return path.suffix.lower()[1:]


def draw(
    lines: Sequence[Series], *, title: str, format: str = "png", window: int | None = None, dark: bool = False
) -> bytes:
    """Return the chart as bytes. All of `lines` share their periods and statistic; `window`: periods of a rolling mean.

    A period without observations is a hatched band and a hole in the line; a value from less than a tenth of the
    zone's pixels is hollow and off the line. Raises UsageError when there is nothing to draw.
    """
    if not lines or not lines[0].periods:
        raise UsageError("there is nothing to draw: no months with rows")
    import matplotlib as mpl
    from matplotlib.figure import Figure

    look = DARK if dark else LIGHT
    settings: Any = {
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "svg.fonttype": "none",
        "svg.hashsalt": "pileus",
        "hatch.linewidth": 0.6,
        "text.parse_math": False,
        "axes.unicode_minus": True,
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=(10, 5.2), facecolor=look["face"], layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        _frame(above, look)
        _frame(below, look)
        colours = [(ON_DARK if dark else COLOURS)[number % len(COLOURS)] for number in range(len(lines))]
        _values(above, lines, window, look, colours)
        _shares(below, lines, look, colours)
        label = f"{lines[0].stat}  [{lines[0].unit}]" if lines[0].unit else lines[0].stat
        above.set_ylabel(label, color=look["ink"])
        above.set_title(_short(title, 90), loc="left", color=look["ink"], fontsize=13, fontweight="bold", pad=12)
        sink = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None} if format == "svg" else {}
        figure.savefig(sink, format=format, dpi=130, facecolor=look["face"], metadata=metadata)
    return sink.getvalue()


def _frame(axes: Any, look: dict[str, str]) -> None:
    axes.set_facecolor(look["face"])
    axes.grid(axis="y", color=look["grid"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=look["faint"], length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(look["gap"])


def _values(
    axes: Any, lines: Sequence[Series], window: int | None, look: dict[str, str], colours: Sequence[str]
) -> None:
    days = [period.start for period in lines[0].periods]
    for number, line in enumerate(lines):
        colour, marker = colours[number], MARKERS[number // len(COLOURS) % len(MARKERS)]
        thin = [share is not None and share < THIN for share in line.share]
        values = [float("nan") if value is None else value for value in line.values]
        trusted = [float("nan") if few else value for value, few in zip(values, thin, strict=True)]
        faded = 0.35 if window else 1
        name = _short(line.name, 40)
        axes.plot(days, trusted, color=colour, linewidth=1.6, alpha=faded, label=None if window else name, zorder=3)
        solid = [(d, v) for d, v, hollow in zip(days, values, thin, strict=True) if not hollow]
        hollow = [(d, v) for d, v, hollow in zip(days, values, thin, strict=True) if hollow]
        style = {"linestyle": "", "marker": marker, "markersize": 4, "color": colour, "alpha": faded, "zorder": 4}
        axes.plot([d for d, _ in solid], [v for _, v in solid], **style)
        axes.plot([d for d, _ in hollow], [v for _, v in hollow], markerfacecolor=look["face"], **style)
        if window:
            solid_values = [None if few else value for value, few in zip(line.values, thin, strict=True)]
            smooth = [float("nan") if v is None else v for v in rolling(solid_values, window)]
            axes.plot(days, smooth, color=colour, linewidth=2.4, label=f"{name}, mean of {window}", zorder=5)
    if any(share is not None and 0 < share < THIN for line in lines for share in line.share):
        note = {
            "linestyle": "",
            "marker": "o",
            "markersize": 4,
            "color": look["faint"],
            "markerfacecolor": look["face"],
        }
        axes.plot([], [], label=f"less than {THIN:.0%} seen", **note)
    _mark_gaps(axes, lines, look)
    if len(lines) <= 12:
        axes.legend(
            loc="upper left",
            ncols=min(4, len(lines) + 1),
            frameon=True,
            facecolor=look["face"],
            edgecolor="none",
            framealpha=0.8,
            labelcolor=look["ink"],
            fontsize=9,
            borderaxespad=0,
        )
    axes.margins(x=0.01, y=0.18)


def _mark_gaps(axes: Any, lines: Sequence[Series], look: dict[str, str]) -> None:
    for at, period in enumerate(lines[0].periods):
        blind = [line for line in lines if line.values[at] is None]
        if not blind:
            continue
        rows = any(line.share[at] is not None for line in blind)
        end = _end(period)
        half = (end - period.start).days // 2  # a point of the line is drawn at the start of its period
        hatch = "////" if rows else "...."
        axes.axvspan(
            _shift(period.start, -half),
            _shift(end, -half),
            facecolor="none",
            edgecolor=look["gap"],
            hatch=hatch,
            linewidth=0,
            zorder=1,
        )
        which = "" if len(blind) == len(lines) else f": {', '.join(_short(line.name, 18) for line in blind[:2])}"
        text = ("not observed" if rows else "no rows") + which
        if not _alone(lines, at):
            continue
        axes.annotate(
            text,
            (_shift(period.start, 0), 0.02),
            xycoords=("data", "axes fraction"),
            rotation=90,
            fontsize=7.5,
            color=look["faint"],
            ha="center",
            va="bottom",
            zorder=6,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": look["face"], "edgecolor": "none", "alpha": 0.85},
        )


def _alone(lines: Sequence[Series], at: int) -> bool:
    """Return whether a gap starts here, so that a long one gets one label."""
    return at == 0 or all(line.values[at - 1] is not None for line in lines)


def _end(period: Any) -> date:
    end: date = period.shift(1).start
    return end


def _shift(day: date, days: int) -> date:
    return date.fromordinal(max(1, day.toordinal() + days))


def _shares(axes: Any, lines: Sequence[Series], look: dict[str, str], colours: Sequence[str]) -> None:
    periods = lines[0].periods
    days = [period.start.toordinal() for period in periods]
    step = (_end(periods[-1]).toordinal() - days[-1]) * 0.8
    width = step / len(lines)
    base = [float(axes.convert_xunits(period.start)) for period in periods]
    for number, line in enumerate(lines):
        offset = -step / 2 + width * (number + 0.5)
        heights = [100 * (share or 0) for share in line.share]
        axes.bar([b + offset for b in base], heights, width=width, color=colours[number], alpha=0.75)
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 50, 100])
    axes.set_ylabel("valid  [%]", color=look["ink"])


def _short(text: str, length: int) -> str:
    """Return one line of at most `length` characters, so that a long name fits the chart."""
    plain = " ".join(text.split())
    return plain if len(plain) <= length else plain[: length - 1] + "…"

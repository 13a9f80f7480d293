"""pileus outputs: what is in the bucket `protected`."""

from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import complete, show
from pileus.cli.app import app
from pileus.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from pileus.periods import Period

outputs = typer.Typer(help="List, show, draw and export what was written.", no_args_is_help=True)
app.add_typer(outputs, name="outputs")

Name = Annotated[str, typer.Argument(autocompletion=complete.collections, help="Name of a collection.")]
Zones = Annotated[
    list[str] | None,
    typer.Option("--zone", autocompletion=complete.zones, help="Id or name of a zone; may be given again."),
]
Band = Annotated[str | None, typer.Option(help="Band; the first if not given.")]
From = Annotated[str | None, typer.Option("--from", help="First point in time, as 2015-01.")]
To = Annotated[str | None, typer.Option("--to", help="Last point in time, included.")]


@outputs.command("ls", epilog="Example: pileus outputs ls viirs_template")
def list_(collection: Name, json: show.Json = False) -> None:
    """List everything that was written for a collection: tables, CSVs, pictures, manifests, kept archives."""
    found = list(Session().client.outputs.objects(collection))
    if json:
        show.as_json([{"url": url, "size": size} for url, size in found])
        return
    for url, size in found:
        show.line(f"{show.size(size):>9}  {url}")
    if not found:
        show.line(f"no outputs of {collection} yet")


@outputs.command("show", epilog="Example: pileus outputs show viirs_template --zone mumbai")
def show_(
    collection: Name,
    zone: Zones = None,
    stat: Annotated[str | None, typer.Option(help="Statistic to draw as a line of blocks.")] = None,
    band: Band = None,
    first: From = None,
    last: To = None,
    json: show.Json = False,
) -> None:
    """Show each zone on a line with its values over time. With --zone, show its rows, and why a month has none."""
    from pileus.outputs import series

    session = Session()
    table = rows_of(session, collection)
    if table is None:
        show.as_json([]) if json else show.line(f"no rows of {collection} yet")
        return
    zones = series.pick_zones(table, zone or [])
    stat = series.pick("statistic", stat, series.mean_first(table))
    band = series.pick("band", band, series.bands_of(table))
    first, last = series.typed_span(table, first, last)
    picked = series.between(table, first, last)
    if json:
        show.as_json([row for row in picked.to_pylist() if row["zone"] in zones])
        return
    axis, why = axis_of(session, collection, first, last)
    lines = [series.series(series.newest(picked), one, stat, band, axis) for one in zones]
    if zone:
        for line in lines:
            _rows(picked, line.zone, band)
            show.line(f"{line.name}  {stat}  {series.spark(line.values)}")
    else:
        units = f"{axis[0].unit}s" if axis else "periods"
        columns = ("zone", "name", units, "least", "greatest", "latest", f"{stat} over time")
        show.table(columns, [_summary(line) for line in lines])
    say_gaps(lines[0].missing if lines else (), why)


def _summary(line: "object") -> list[object]:
    from pileus.outputs.series import Series, spark

    assert isinstance(line, Series)
    some = [value for value in line.values if value is not None]
    latest = some[-1] if some else None
    low, high = (min(some), max(some)) if some else (None, None)
    return [line.zone, line.name, len(some), low, high, latest, spark(line.values)]


def _rows(table: "pa.Table", zone: str, band: str) -> None:
    rows = [row for row in table.to_pylist() if (row["zone"], row["band"]) == (zone, band)]
    hidden = {"version", "time", "zone_name", "zone_set"}
    if len({row["period"] for row in rows}) == len(rows):  # else the group tells the rows of a period apart
        hidden.add("group")
    columns = [name for name in table.column_names if name not in hidden]
    show.table(columns, ([row[name] for name in columns] for row in sorted(rows, key=lambda row: row["period"])))


def say_gaps(missing: "Sequence[Period]", why: "Mapping[str, str]") -> None:
    """Print which points in time have no rows, and why. `why`: the reasons by period."""
    for period in missing[:20]:
        show.line(f"{period.iso}  {why[period.iso]}", style="yellow")
    if len(missing) > 20:
        show.line(f"and {len(missing) - 20} more {missing[0].unit}s without rows: `pileus status` tells of each")


def axis_of(
    session: Session, collection: str, first: str | None, last: str | None
) -> "tuple[tuple[Period, ...], Mapping[str, str]]":
    """Return the periods of a series, from the first to the last that has rows, or that a backfill has looked at; and
    why a zone may have no row there, by period.
    """
    from pileus.periods import parse_period

    told = session.client.outputs.axis(collection, first, last)
    return tuple(map(parse_period, told.periods)), told.why


def rows_of(session: Session, collection: str) -> "pa.Table | None":
    """Return all rows of a collection; None when it is populated and has none yet. Raises Unknown."""
    table = session.client.outputs.statistics(collection)
    return table if table.num_rows else None


from pileus.cli import outputs_pictures, outputs_write  # noqa: E402, F401  (they add their commands to `outputs`)

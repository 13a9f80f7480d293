"""pileus outputs plot, export, ddl: files for people and other tools."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pileus.cli import show
from pileus.cli.outputs import Band, From, Name, To, Zones, axis_of, outputs, rows_of, say_gaps
from pileus.cli.session import Session
from pileus.strict_json import plain_json

if TYPE_CHECKING:
    import pyarrow as pa

    from pileus.outputs.zone_sets import Shapes
    from pileus.zonal import Zones as ZoneSet

Out = Annotated[Path | None, typer.Option("--out", "-o", help="File to write.", show_default=False)]


def required(session: Session, collection: str) -> "pa.Table":
    """Return the rows of a collection. Raises UsageError where there are none."""
    from pileus.errors import UsageError

    table = rows_of(session, collection)
    if table is None:
        raise UsageError(f"no rows of {collection} yet: `pileus backfill {collection}` makes them")
    return table


@outputs.command(epilog="Example: pileus outputs plot viirs_template --zone mumbai -o mumbai.svg")
def plot(
    collection: Name,
    zone: Zones = None,
    stat: Annotated[str, typer.Option(help="Statistic.")] = "mean",
    band: Band = None,
    rolling: Annotated[int | None, typer.Option(min=2, help="Also draw a mean over this many months.")] = None,
    first: From = None,
    last: To = None,
    dark: Annotated[bool, typer.Option("--dark", help="Draw on a dark background.")] = False,
    out: Out = None,
    json: show.Json = False,
) -> None:
    """Draw zones over time, with gaps, and the valid share below: .png, .svg or .pdf."""
    from pileus.errors import UsageError
    from pileus.outputs import chart, series

    session = Session()
    out = out or Path(f"{collection}-{stat}.png")
    kind = chart.format_of(out)
    table = required(session, collection)
    zones = series.pick_zones(table, zone or [])
    stat = series.pick("statistic", stat, series.statistics_of(table))
    band = series.pick("band", band, series.bands_of(table))
    if len(zones) > 12:
        raise UsageError(f"{len(zones)} zones do not fit one chart: name up to 12 with --zone")
    first, last = series.typed_span(table, first, last)
    table = series.newest(series.between(table, first, last))
    axis, why = axis_of(session, collection, first, last)
    lines = [series.series(table, one, stat, band, axis) for one in zones]
    picture = chart.draw(lines, title=f"{collection}: {stat} of {band}", format=kind, window=rolling, dark=dark)
    write(out, picture, json)
    if not json:
        say_gaps(lines[0].missing, why)


@outputs.command(epilog="Example: pileus outputs export viirs_template --stat mean --from 2015-01 -o lights.gpkg")
def export(
    collection: Name,
    format: Annotated[
        str | None,
        typer.Option(
            help="csv, parquet, geojson, xlsx, geoparquet or gpkg; else by the file's ending: -o lights.xlsx."
        ),
    ] = None,
    zone: Zones = None,
    stat: Annotated[
        list[str] | None, typer.Option(help="Statistic, as --stat mean --stat max; all if none is given.")
    ] = None,
    first: From = None,
    last: To = None,
    out: Out = None,
    json: show.Json = False,
) -> None:
    """Write the rows to a file. CSV, Parquet and GeoJSON have a row for each zone, band and period. Excel, GeoParquet
    and GeoPackage are wide, of the newest version: a row for each zone, a column for each period, and its shape in the
    latter two.

    CSV and GeoJSON go to standard output when no file is named. With --json, and no file, the rows are JSON.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from pileus.errors import UsageError
    from pileus.outputs import export as files
    from pileus.outputs import series

    as_rows = json and out is None and format is None
    format = format or (out.suffix[1:].lower() if out else "csv")
    kind = files.format_of(format)
    if json and out is None and not as_rows:
        raise UsageError("--json and --format contradict each other: name a file with --out, or leave one out")
    if out is None and not kind.text:
        raise UsageError(f"{format} cannot be printed: name a file with --out")
    session = Session()
    table = required(session, collection)
    table = series.between(table, *series.typed_span(table, first, last))
    if zone:
        table = table.filter(pc.is_in(table["zone"], pa.array(series.pick_zones(table, zone))))
    there = series.statistics_of(table)
    stats = [series.pick("statistic", one, there) for one in stat or there]
    if as_rows:
        show.as_json([{name: row[name] for name in row if name in (*series.KEYS, *stats)} for row in table.to_pylist()])
        return
    body = files.export(table, format, row_shapes(session, collection, table) if kind.shapes else None, stats)
    if out is None:
        sys.stdout.buffer.write(body)
        return
    write(out, body, json)


@outputs.command(epilog="Example: pileus outputs ddl viirs_template")
def ddl(
    collection: Name,
    database: Annotated[str, typer.Option(help="Database of the table.")] = "default",
    json: show.Json = False,
) -> None:
    """Print the CREATE TABLE with which Athena reads the statistics."""
    from pileus.outputs.athena import ddl as make

    session = Session()
    text = make(required(session, collection), session.client.outputs.bucket, collection, database)
    show.answer(json, {"ddl": text}, text.rstrip())


def row_shapes(session: Session, collection: str, table: "pa.Table") -> "Shapes":
    """Return the geometry that each zone of the rows was measured in, by its set and id."""
    from contextlib import suppress

    import pyarrow as pa

    from pileus.client.reader import OutputReader
    from pileus.errors import NotFound, UsageError
    from pileus.outputs.zone_sets import shapes_of

    empty = pa.nulls(table.num_rows, pa.string())
    names = (table["zone_set"] if "zone_set" in table.column_names else empty).unique().to_pylist()
    now = None
    with suppress(NotFound, UsageError):  # outputs outlive the documents that they were made by
        now = zones_of(session, collection)
    outputs = session.client.outputs
    return shapes_of(OutputReader(outputs, collection), outputs.bucket, collection, names, now)


def zone_shapes(session: Session, collection: str) -> dict[str, Any]:
    """Return the GeoJSON geometry of each zone of a collection."""
    from pileus.outputs.shapes import geojson

    zones = zones_of(session, collection)
    return geojson(zones) if zones else {}


def zones_of(session: Session, collection: str) -> "ZoneSet | None":
    """Return the zones of a collection as they are now; None where it measures nothing."""
    from pileus.zonal.zones import read_zones

    documents = session.client.documents
    if documents.registry().collection(collection).meta.process is None:
        return None
    body = plain_json(documents.zones(collection)).encode()
    return read_zones(body, zone_id=None, where=f"zones of {collection}")


def write(path: Path, body: bytes, json: bool) -> None:
    """Write a whole file and say so. Raises UsageError where that is not possible."""
    from pileus.errors import UsageError

    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(body)
        part.replace(path)
    except OSError as exc:
        raise UsageError(f"cannot be written: {exc.strerror}", where=str(path)) from exc
    show.answer(json, {"path": str(path), "size": len(body)}, f"{path}  {show.size(len(body))}")


@outputs.command(epilog="Example: pileus outputs site")
def site(json: show.Json = False) -> None:
    """Write the dashboard's page and its present data as static files into the bucket, under site/."""
    written = Session().client.outputs.write_site()
    total = sum(size for _, size in written)
    told = f"{written[0][0]}  and {len(written) - 1} more files, {show.size(total)}"
    show.answer(json, {"url": written[0][0], "files": len(written), "size": total}, told)

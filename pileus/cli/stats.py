"""pileus stats: zonal statistics of rasters and archives, with no stack."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.discover import machine_secrets
from pileus.cli.rasters import bar, is_url
from pileus.cli.table_file import writer
from pileus.documents import DEFAULT_STATISTICS, Band, GridRule, Process, Provider, parse_value, read
from pileus.documents.base import D
from pileus.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from pileus.raster.request import Place
    from pileus.zonal import Measured, Source

SHOWN = 40
"""Most rows that are printed; a file gets all."""

Named = Annotated[
    list[str], typer.Argument(help="GeoTIFF, netCDF, HDF5, GRIB, JPEG 2000, .tgz, .tar, .gz or .zip; files or URLs.")
]
ZonesFile = Annotated[str, typer.Option("--zones", "-z", help="Polygons: GeoJSON, GeoPackage, ...; a file or a URL.")]
By = Annotated[str | None, typer.Option("--by", help="Column that names a zone.")]
Stats = Annotated[str, typer.Option("--stats", "-s", help="Statistics, with commas; percentiles as p5.")]
Bands = Annotated[
    list[str] | None, typer.Option("--band", "-b", help="NAME.BAND.tif, variable, description or number.")
]
Mask = Annotated[str | None, typer.Option("--mask", "-m", help="Band, or file, that says which pixels count.")]
MaskMin = Annotated[float, typer.Option(help="Pixels count where the mask is at least this.")]
Coverage = Annotated[str, typer.Option(help="exact, center, all_touched or gippy.")]
Range = Annotated[tuple[float, float] | None, typer.Option(help="Values outside do not count.")]
Above = Annotated[float | None, typer.Option(help="Values must be greater.")]
Below = Annotated[float | None, typer.Option(help="Values must be less.")]
Scale = Annotated[str, typer.Option(help="file, none, or FACTOR,OFFSET of the stored numbers.")]
Time = Annotated[str | None, typer.Option(help="Of several times: mean, sum, min, max or each.")]
Select = Annotated[list[str] | None, typer.Option(help="DIMENSION=VALUE of a field, as level=500.")]
System = Annotated[str | None, typer.Option("--crs", help="Coordinate reference system, where files name none.")]
Edges = Annotated[tuple[float, float, float, float] | None, typer.Option(help="West, south, east, north of a file.")]
Nodata = Annotated[float | None, typer.Option(help="Value of pixels without data, instead of the raster's own.")]
Zero = Annotated[bool, typer.Option("--zero-is-nodata", help="Do not count pixels of value 0.")]
Area = Annotated[bool, typer.Option("--area-weighted", help="Weight pixels by their area on the ellipsoid.")]
Each = Annotated[bool, typer.Option("--each", help="Measure each raster alone, not all as one mosaic.")]
Output = Annotated[str | None, typer.Option("--output", "-o", help="Write a .csv or .parquet; a file or s3://.")]
SignIn = Annotated[Path | None, typer.Option("--provider", metavar="FILE", help="Document that says how to sign in.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads that measure.")]
Cache = Annotated[Path | None, typer.Option(help="Folder of compiled zones; the user's cache if not given.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Compile the zones again, and keep nothing.")]


@app.command(epilog="Example: pileus stats tile.tif --zones places.geojson --stats mean,p95")
def stats(
    rasters: Named,
    zones: ZonesFile,
    by: By = None,
    stats: Stats = ",".join(DEFAULT_STATISTICS),
    band: Bands = None,
    mask: Mask = None,
    mask_min: MaskMin = 1,
    coverage: Coverage = "exact",
    range: Range = None,
    above: Above = None,
    below: Below = None,
    scale: Scale = "file",
    time: Time = None,
    select: Select = None,
    crs: System = None,
    bounds: Edges = None,
    nodata: Nodata = None,
    zero_is_nodata: Zero = False,
    area_weighted: Area = False,
    each: Each = False,
    output: Output = None,
    provider: SignIn = None,
    json: show.Json = False,
    threads: Threads = os.cpu_count() or 2,
    cache: Cache = None,
    no_cache: NoCache = False,
) -> None:
    """Compute statistics of the pixels in each zone: a row per zone and band."""
    from pileus.edges.rasters import Rasters
    from pileus.zonal import FolderCache, measure, read_zones

    write = writer(output)
    mask_file = Path(mask) if mask and Path(mask).is_file() else None
    names = band or [_band(rasters)]
    limits = {"min": range[0], "max": range[1]} if range else {}
    limits |= {name: value for name, value in (("above", above), ("below", below)) if value is not None}
    rules: dict[str, Any] = {"band": names, "zones": str(zones), "zone_id": by, "coverage": coverage,
                             "range": limits or None,
                             "nodata": nodata, "zero_is_nodata": zero_is_nodata, "area_weighted": area_weighted,
                             "stats": [name.strip() for name in stats.split(",")]}  # fmt: skip
    if mask:
        rules["valid"] = {"band": "mask" if mask_file else mask, "min": mask_min}
    process = _parsed(Process, rules)
    told = {"select": dict(map(_pair, select or ())), "time": time, "scale": _scale(scale)}
    bands = {name: _parsed(Band, told | ({"path": name} if name.isdecimal() else {})) for name in names}
    place = _place(_parsed(GridRule, {"crs": crs, "bounds": bounds}))
    kept = None if no_cache else FolderCache(cache or _cache_folder())
    groups = [[name] for name in rasters] if each else [rasters]
    tables = []
    signed = read(Provider, provider) if provider else None
    with (
        tempfile.TemporaryDirectory() as folder,
        Rasters(Path(folder), place, machine_secrets(), signed) as opened,
        bar(rasters) as on,
    ):
        places = read_zones(opened.bytes_of(zones) if is_url(zones) else Path(zones), zone_id=by, where=zones)
        notes = dict.fromkeys(places.notes)
        for group in groups:
            alone = names[0] if mask_file and len(names) == 1 else None
            sources = [opened.source(name, on, alone) for name in group]
            sources += [_mask(mask_file)] if mask_file else []
            how: dict[str, Any] = {"bands": bands, "cache": kept, "scratch": Path(folder)}
            how |= {"threads": threads, "lanes": threads}
            measured = measure(sources, process, places, **how)
            notes |= dict.fromkeys(measured.notes)
            tables.append(_named(measured, group[0] if each else None))
        notes |= dict.fromkeys(opened.notes)
    for note in notes:
        show.errors.print(f"note: {note}", style="dim", markup=False, soft_wrap=True)
    _show(_together(tables), write, json=json)


def _parsed(model: type[D], rules: dict[str, Any]) -> D:
    from pileus.errors import DocumentError

    try:
        return parse_value(model, rules, "options")
    except DocumentError as error:
        raise UsageError(error.message) from error


def _band(rasters: list[str]) -> str:
    """Return the band of a raster file by its name: BAND of NAME.BAND.tif, else NAME; 1 where NAME has dots. Of other
    kinds: the only one that they hold.
    """
    from pileus.raster.band_names import usual_band
    from pileus.raster.fields import listed
    from pileus.raster.opening import band_names
    from pileus.unpack.members import is_archive

    path = Path(urlsplit(rasters[0]).path if is_url(rasters[0]) else rasters[0])
    if path.name.lower().endswith((".tif", ".tiff")):
        return usual_band(path.name)
    readable = not is_url(rasters[0]) and path.is_file() and not is_archive(path)
    names = band_names(path, rasters[0]) if readable else []
    if len(names) == 1:
        return names[0]
    told = f": it has {listed(names)}" if names else ""
    raise UsageError(f"say with --band which band to measure{told}", where=rasters[0])


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise UsageError(f"--select {text}: expected DIMENSION=VALUE")
    return name, value


def _scale(text: str) -> Any:
    parts = text.split(",")
    return parts if len(parts) > 1 else text


def _place(grid: GridRule) -> "Place":
    from pileus.zonal.requests import place_of

    return place_of(grid, {}, "")


def _mask(path: Path) -> "Source":
    from pileus.zonal import Source

    return Source(str(path), path=path, band="mask")


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "pileus" / "zones"


def _named(measured: "Measured", raster: str | None) -> "pa.Table":
    """Return the rows, with their unit where any band has one, and with their raster where each is measured alone."""
    import pyarrow as pa

    from pileus.outputs.tables import with_unit

    table = with_unit(measured.table, measured.units) if any(measured.units.values()) else measured.table
    if raster is None:
        return table
    return table.add_column(0, "raster", pa.array([raster] * table.num_rows, pa.string()))


def _together(tables: list["pa.Table"]) -> "pa.Table":
    import pyarrow as pa

    return pa.concat_tables(tables, promote_options="default")


def _show(table: "pa.Table", write: Callable[["pa.Table"], None] | None, *, json: bool) -> None:
    if write:
        write(table)
    if json:
        show.as_json(table.to_pylist())
    elif not write:
        rows = table.to_pylist()
        shown = rows[:SHOWN] if show.console.is_terminal else rows
        show.table(table.column_names, [list(row.values()) for row in shown])
        if len(shown) < len(rows):
            show.line(f"... and {len(rows) - len(shown)} more: write them with -o", style="dim")

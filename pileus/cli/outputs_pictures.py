"""pileus outputs stac, movie, sheet: the catalog, and a zone over the months as pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import complete, show
from pileus.cli.outputs import Band, From, Name, To, axis_of, outputs
from pileus.cli.outputs_write import Out, required, write
from pileus.cli.session import Session

if TYPE_CHECKING:
    from pileus.outputs.frames import Frames

OneZone = Annotated[str, typer.Option("--zone", autocompletion=complete.zones, help="Id or name of a zone.")]


@outputs.command(epilog="Example: pileus outputs stac viirs_template")
def stac(collection: Name, json: show.Json = False) -> None:
    """Write a static STAC catalog of all items into the bucket, and an index of them as stac-geoparquet."""
    session = Session()
    session.client.outputs.axis(collection)  # it is known
    urls = session.client.outputs.write_catalog(collection)
    show.answer(json, {"urls": urls}, *urls)


@outputs.command(epilog="Example: pileus outputs movie viirs_template --zone mumbai -o mumbai.webp")
def movie(
    collection: Name,
    zone: OneZone,
    band: Band = None,
    first: From = None,
    last: To = None,
    milliseconds: Annotated[int, typer.Option(min=20, help="Milliseconds for each month.")] = 500,
    out: Out = None,
    json: show.Json = False,
) -> None:
    """Animate a zone over the months, from its clips: .webp or .gif."""
    from pileus.outputs.frames import animate

    out = out or Path(f"{collection}.webp")
    frames = _frames(Session(), collection, zone, band, first, last)
    write(out, animate(frames, out.suffix.lower(), milliseconds=milliseconds), json)


@outputs.command(epilog="Example: pileus outputs sheet viirs_template --zone mumbai -o mumbai.png")
def sheet(
    collection: Name,
    zone: OneZone,
    band: Band = None,
    first: From = None,
    last: To = None,
    out: Out = None,
    json: show.Json = False,
) -> None:
    """Draw a contact sheet of a zone, a row a year, from its clips: .png."""
    from pileus.outputs.frames import contact_sheet
    from pileus.outputs.pictures import png

    frames = _frames(Session(), collection, zone, band, first, last)
    write(out or Path(f"{collection}-sheet.png"), png(contact_sheet(frames)), json)


def _frames(
    session: Session, collection: str, zone: str, band: str | None, first: str | None, last: str | None
) -> "Frames":
    from dataclasses import replace

    import shapely

    from pileus.cli.outputs_write import zone_shapes
    from pileus.client.reader import OutputReader
    from pileus.errors import UsageError
    from pileus.outputs import series
    from pileus.outputs.gather import frames

    table = required(session, collection)
    band = series.pick("band", band, series.bands_of(table))
    first, last = series.typed_span(table, first, last)
    table = series.newest(series.between(table, first, last))
    picked = series.pick_zones(table, [zone])[0]
    axis, why = axis_of(session, collection, first, last)
    shapes = zone_shapes(session, collection)
    if picked not in shapes:
        raise UsageError(f"zone {picked} has rows, but is no longer among the zones of {collection}")
    shape = shapely.geometry.shape(shapes[picked])
    outputs = session.client.outputs
    found = frames(OutputReader(outputs, collection), outputs.bucket, table, collection, picked, band, axis, shape, why)
    about = session.client.documents.registry().collection(collection).meta.bands.get(band)
    return replace(found, display=about.display if about else None)

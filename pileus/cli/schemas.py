"""pileus schemas: JSON Schemas of the documents."""

from pathlib import Path
from typing import Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app


@app.command(epilog="Example: pileus schemas -o data/schemas")
def schemas(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder.")] = Path("data/schemas"),
    json: show.Json = False,
) -> None:
    """Write the JSON Schemas of collection, provider and rule, which editors use for completion."""
    from pileus.project.schemas import write_schemas

    written = [str(path) for path in write_schemas(out)]
    show.answer(json, {"written": written}, *(f"wrote {path}" for path in written))

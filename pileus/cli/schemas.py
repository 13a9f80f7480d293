"""pileus schemas: JSON Schemas of the documents."""

from pathlib import Path
from typing import Annotated

import typer

from pileus.cli.app import app
from pileus.cli.show import line


@app.command(epilog="Example: pileus schemas -o data/schemas")
def schemas(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder.")] = Path("data/schemas"),
) -> None:
    """Write the JSON Schemas of collection, provider and rule, for editors to complete from."""
    from pileus.project.schemas import write_schemas

    for path in write_schemas(out):
        line(f"wrote {path}")

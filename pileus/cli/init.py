"""pileus init: write a project that works."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app


@app.command(epilog="Example: pileus init lights")
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the project; made if it is missing.")] = Path(),
    json: show.Json = False,
) -> None:
    """Write a small project to start from: provider, collection, zones and rule, and synthetic archives to run it on.

    Overwrites nothing: when one of its files exists, it names it and writes nothing.
    """
    from pileus.errors import UsageError
    from pileus.project.example import COLLECTION, write_example

    try:
        written = write_example(folder.resolve())
    except OSError as exc:
        raise UsageError(f"cannot be written: {exc.strerror}", where=exc.filename or str(folder)) from exc
    paths = [os.path.normpath(folder / name) for name in written]
    show.answer(
        json,
        {"written": paths, "collection": COLLECTION},
        *(f"wrote {path}" for path in paths),
        "README.md explains each field. Next:",
        *([f"  cd {folder}"] if folder.resolve() != Path.cwd() else []),
        "  pileus up --detach",
        "  pileus populate",
        f"  pileus backfill {COLLECTION} --wait",
        f"  pileus outputs show {COLLECTION}",
        "  pileus down",
    )

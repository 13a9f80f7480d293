"""pileus init: a project that works at once."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pileus.cli.app import app
from pileus.cli.show import line


@app.command(epilog="Example: pileus init lights")
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the project; made where it is missing.")] = Path(),
) -> None:
    """Write a small project to start from: provider, collection, zones and rule, and made-up archives to run it on.

    Nothing is overwritten: where one of its files is there already, it names them and writes nothing.
    """
    from pileus.errors import UsageError
    from pileus.project.example import COLLECTION, write_example

    try:
        written = write_example(folder.resolve())
    except OSError as exc:
        raise UsageError(f"cannot be written: {exc.strerror}", where=exc.filename or str(folder)) from exc
    for name in written:
        line(f"wrote {os.path.normpath(folder / name)}")
    line("README.md says why each field is as it is. Next:")
    if folder.resolve() != Path.cwd():
        line(f"  cd {folder}")
    line("  pileus up --detach")
    line("  pileus populate")
    line(f"  pileus backfill {COLLECTION} --wait")
    line(f"  pileus outputs show {COLLECTION}")
    line("  pileus down")

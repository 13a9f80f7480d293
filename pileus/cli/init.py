"""pileus init: write a project that works."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app


def _examples(incomplete: str) -> list[tuple[str, str]]:
    from pileus.project.example import EXAMPLES

    return [(name, example.about) for name, example in EXAMPLES.items() if name.startswith(incomplete)]


@app.command(epilog="Example: pileus init lights")
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the project; made if it is missing.")] = Path(),
    example: Annotated[
        str,
        typer.Option(
            help="Archive that the project is an example of: viirs, chirps, black_marble or era5.",
            autocompletion=_examples,
        ),
    ] = "viirs",
    json: show.Json = False,
) -> None:
    """Write a small project to start from: provider, collection, zones and rule, and synthetic archives to run it on.

    Overwrites nothing: when one of its files exists, it names it and writes nothing.
    """
    from pileus.errors import UsageError
    from pileus.project.example import example_of, write_example

    wanted = example_of(example)
    try:
        written = write_example(folder.resolve(), wanted)
    except OSError as exc:
        raise UsageError(f"cannot be written: {exc.strerror}", where=exc.filename or str(folder)) from exc
    paths = [os.path.normpath(folder / name) for name in written]
    names = list(wanted.collections)
    show.answer(
        json,
        {"written": paths, "collections": names},
        *(f"wrote {path}" for path in paths),
        "README.md explains each field. Next:",
        *([f"  cd {folder}"] if folder.resolve() != Path.cwd() else []),
        "  pileus up --detach",
        "  pileus populate",
        *(f"  pileus backfill {name} --wait" for name in names),
        f"  pileus outputs show {names[0]}",
        "  pileus down",
    )

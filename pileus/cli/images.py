"""pileus images: the worker's images, built on this machine."""

import time
from pathlib import Path
from typing import Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.deploy.images import BASE
from pileus.version import __version__


@app.command(epilog="Example: pileus images --base-image debian:bookworm-slim")
def images(
    names: Annotated[
        list[str] | None, typer.Argument(help="`base`, `process_group` or `gippy`; the first two if not given.")
    ] = None,
    base_image: Annotated[str, typer.Option(help="Image with Debian 12, or `debootstrap`.")] = BASE,
    ca: Annotated[Path | None, typer.Option(help="A .crt file that a proxy needs, or a folder of them.")] = None,
    tag: Annotated[str, typer.Option(help="Tag of the images.")] = __version__,
    network: Annotated[str, typer.Option(help="As in docker build; `host` behind some proxies.")] = "default",
    json: show.Json = False,
) -> None:
    """Build the images that workers run in, with the tasks of the project here. Needs Docker; `debootstrap` makes the
    base where there is no registry.
    """
    from pileus.deploy.images import build, debootstrap, size
    from pileus.errors import UsageError
    from pileus.project.folder import find_project

    try:
        tasks = find_project(Path.cwd()).tasks_folder
    except UsageError:
        tasks = None  # outside a project the images are those of Pileus alone
    base = debootstrap() if base_image == "debootstrap" else base_image
    built = []
    for name in names or ("base", "process_group"):
        started = time.monotonic()
        image = build(name, base=base, ca=ca, tag=tag, network=network, tasks=tasks)
        built.append({"image": image, "bytes": size(image), "seconds": round(time.monotonic() - started, 1)})
        if not json:
            show.line(f"{image}: {show.size(size(image))}, {show.seconds(time.monotonic() - started)}")
    if json:
        show.as_json(built)

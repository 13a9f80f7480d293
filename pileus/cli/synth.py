"""pileus synth: the CloudFormation templates."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pileus.cli import show
from pileus.cli.account import Settings
from pileus.cli.app import app
from pileus.cli.session import Session


@app.command(epilog="Example: pileus synth -o cdk.out")
def synth(
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder; the project's .pileus/cdk if not given.")
    ] = None,
    settings: Settings = None,
    json: show.Json = False,
) -> None:
    """Synthesize the stacks with CDK. Needs no Docker, no system Node and no account."""
    from pileus.deploy.lambda_package import size_of
    from pileus.deploy.synth import read_settings
    from pileus.deploy.synth import synth as synthesize

    session = Session()
    folder = (out or session.home.assemblies).resolve()
    assembly = synthesize(session.project, folder, read_settings(os.environ, settings))
    templates = [f"{os.path.relpath(assembly.folder)}/{stack}.template.json" for stack in assembly.stacks()]
    packages = [size_of(path) for path in assembly.folders()]
    told = [*templates, *(f"Lambda package: {size / 1e6:.1f} MB unzipped" for size in packages)]
    show.answer(json, {"templates": templates, "package_bytes": packages}, *told)

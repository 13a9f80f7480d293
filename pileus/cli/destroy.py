"""pileus destroy: remove the stacks, and keep the data."""

import os

import typer

from pileus.cli import show
from pileus.cli.account import Settings, Yes, account_line, agreed, cannot_ask, environment_account, tell_to
from pileus.cli.app import app


@app.command(epilog="Example: pileus destroy --yes")
def destroy(settings: Settings = None, yes: Yes = False, json: show.Json = False) -> None:
    """Remove the API, workers and core stacks. The buckets, with all results, stay."""
    from pileus.deploy.synth import check_settings, read_settings
    from pileus.edges.change_sets import remove
    from pileus.edges.cloudformation import describe

    cannot_ask(json, yes)
    tell = tell_to(json)
    name = check_settings(read_settings(os.environ, settings)).stack
    aws = environment_account()
    every = [f"{name}-{part}" for part in ("api", "workers", "core")]
    there = [stack for stack in every if describe(aws, stack) is not None]
    if not there:
        show.answer(json, {"removed": []}, f"there are no stacks {', '.join(every[:-1])} and {every[-1]}")
        return
    tell(account_line(aws))
    tell(f"removes {', '.join(there)}; the stack {name}-data with its buckets stays")
    if not agreed("Remove them?", yes):
        raise typer.Exit(1)
    for stack in there:
        remove(aws, stack)
        tell(f"{stack}: removed")
    if json:
        show.as_json({"removed": there})

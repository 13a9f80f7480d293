"""pileus deploy: create or update the stacks in an AWS account."""

import typer

from pileus.cli import show
from pileus.cli.account import Settings, Yes, agreed, prepare, show_proposal
from pileus.cli.app import app


@app.command(epilog="Example: pileus deploy --settings settings.json")
def deploy(settings: Settings = None, yes: Yes = False) -> None:
    """Create or update the stacks in the AWS account of your credentials. Nothing changes until you say yes."""
    from pileus.edges.change_sets import carry_out, discard, propose

    aws, assembly = prepare(settings)
    for stack in assembly.stacks():
        proposal = propose(aws, assembly, stack)
        show_proposal(proposal)
        if not proposal.changes:
            discard(aws, proposal)
            continue
        if not agreed(f"Change {stack}?", yes):
            discard(aws, proposal)
            show.line("nothing more was changed")
            raise typer.Exit(1)
        outputs = carry_out(aws, assembly, proposal)
        show.line(f"{stack}: done")
        if stack.endswith("-core"):
            show.line(f"use it: export PILEUS_STACK={outputs['PileusStack']}")
    if not any(stack.endswith("-workers") for stack in assembly.stacks()):
        show.line("no worker_image in the settings, so no workers were deployed: `pileus images` builds one to push")

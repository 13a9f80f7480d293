"""pileus deploy: create or update the stacks in an AWS account."""

import typer

from pileus.cli import show
from pileus.cli.account import Settings, Yes, agreed, cannot_ask, prepare, show_proposal, tell_to
from pileus.cli.app import app


@app.command(epilog="Example: pileus deploy --settings settings.json")
def deploy(settings: Settings = None, yes: Yes = False, json: show.Json = False) -> None:
    """Create or update the stacks in the AWS account of your credentials. Nothing changes until you say yes."""
    from pileus.edges.change_sets import carry_out, discard, propose

    cannot_ask(json, yes)
    tell = tell_to(json)
    aws, assembly = prepare(settings, json)
    proposals, name = [], None
    for stack in assembly.stacks():
        proposal = propose(aws, assembly, stack)
        proposals.append(proposal)
        if not json:
            show_proposal(proposal)
        if not proposal.changes:
            discard(aws, proposal)
            continue
        if not agreed(f"Change {stack}?", yes):
            discard(aws, proposal)
            tell("nothing more was changed")
            raise typer.Exit(1)
        outputs = carry_out(aws, assembly, proposal)
        tell(f"{stack}: done")
        if stack.endswith("-core"):
            name = outputs["PileusStack"]
            tell(f"to use it: export PILEUS_STACK={name}")
    if json:
        show.as_json({"stack": name, "stacks": [proposal.to_json() for proposal in proposals]})
    if not any(stack.endswith("-workers") for stack in assembly.stacks()):
        tell("no worker_image in the settings, so no workers were deployed: `pileus images` builds one to push")

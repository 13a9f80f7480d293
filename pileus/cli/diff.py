"""pileus diff: what a deployment would change."""

from pileus.cli.account import Settings, prepare, show_proposal
from pileus.cli.app import app


@app.command(epilog="Example: pileus diff --settings settings.json")
def diff(settings: Settings = None) -> None:
    """Show what `pileus deploy` would change."""
    from pileus.edges.change_sets import discard, propose

    aws, assembly = prepare(settings)
    for stack in assembly.stacks():
        proposal = propose(aws, assembly, stack)
        show_proposal(proposal)
        discard(aws, proposal)

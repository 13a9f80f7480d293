"""pileus diff: what a deployment would change."""

from pileus.cli import show
from pileus.cli.account import Settings, account_line, prepare, show_proposal
from pileus.cli.app import app


@app.command(epilog="Example: pileus diff --settings settings.json")
def diff(settings: Settings = None) -> None:
    """Show what `pileus deploy` would change."""
    from pileus.edges.change_sets import discard, propose

    aws, assembly = prepare(settings)
    show.line(account_line(aws))
    for stack in assembly.stacks():
        proposal = propose(aws, assembly, stack)
        show_proposal(proposal)
        discard(aws, proposal)

"""pileus diff: what a deployment would change."""

from pileus.cli import show
from pileus.cli.account import Settings, prepare, show_proposal
from pileus.cli.app import app


@app.command(epilog="Example: pileus diff --settings settings.json")
def diff(settings: Settings = None, json: show.Json = False) -> None:
    """Show what `pileus deploy` would change."""
    from pileus.edges.change_sets import discard, propose

    aws, assembly = prepare(settings, json)
    proposals = []
    for stack in assembly.stacks():
        proposals.append(propose(aws, assembly, stack))
        discard(aws, proposals[-1])
        if not json:
            show_proposal(proposals[-1])
    if json:
        show.as_json([proposal.to_json() for proposal in proposals])

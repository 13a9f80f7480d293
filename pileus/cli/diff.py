"""pileus diff: what a deployment would change."""

from pileus.cli import show
from pileus.cli.account import Image, Images, Settings, Target, show_proposal, tell_to
from pileus.cli.app import app


@app.command(epilog="Example: pileus diff --settings settings.json")
def diff(settings: Settings = None, images: Images = None, image: Image = None, json: show.Json = False) -> None:
    """Show what `pileus deploy` would change."""
    from pileus.edges.change_sets import discard, propose

    tell = tell_to(json)
    target = Target.of(settings, tell)
    aws, assembly = target.aws, target.synth(target.image(tell, images, image))
    proposals = []
    for stack in assembly.stacks():
        proposals.append(propose(aws, assembly, stack))
        discard(aws, proposals[-1])
        if not json:
            show_proposal(proposals[-1])
    if json:
        show.as_json([proposal.to_json() for proposal in proposals])

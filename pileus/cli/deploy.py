"""pileus deploy: stacks, image, documents and a test, from nothing to a stack that works."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pileus.cli import show
from pileus.cli.account import Image, Images, Settings, Target, Yes, agreed, cannot_ask, tell_to
from pileus.cli.account import show_proposal as show_stack
from pileus.cli.app import app
from pileus.cli.populate import as_values, hand_over, read_documents, show_changes

if TYPE_CHECKING:
    from pileus.deploy.worker_image import WorkerImage
    from pileus.edges.change_sets import Proposal
    from pileus.edges.cloudformation import Assembly

Populate = Annotated[bool, typer.Option("--populate", help="At the end do what `pileus populate` does.")]
SmokeTest = Annotated[
    bool | None,
    typer.Option(
        "--smoke-test/--no-smoke-test",
        help="Run one synthetic month through the stack, and remove it. If not given: after a change, with workers.",
    ),
]
Minutes = Annotated[float, typer.Option(min=0, help="Longest time for the smoke test; workers start in it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show each step, and change nothing. Needs no account.")]


@app.command(epilog="Example: pileus deploy --populate")
def deploy(
    settings: Settings = None,
    images: Images = None,
    image: Image = None,
    populate: Populate = False,
    smoke_test: SmokeTest = None,
    minutes: Minutes = 20,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: show.Json = False,
) -> None:
    """Create or update the stacks in the AWS account of your credentials, push the worker's image, and test it all.

    Nothing changes until you say yes.
    """
    cannot_ask(json, yes or dry_run)
    tell = tell_to(json)
    run = _Run(Target.of(settings, tell, needed=not dry_run), tell, yes, json, dry_run)
    chosen = run.target.image(tell, images, image)
    run.did["image"] = chosen.to_json() if chosen else None
    (_foresee if dry_run else _carry_out)(run, chosen)
    works = run.test(smoke_test, 60 * minutes)
    if populate and works:  # so that no rule starts in a stack that does not work, nor delays the test
        run.populate()
    if json:
        show.as_json(run.did)
    if not works:
        raise typer.Exit(1)


@dataclass
class _Run:
    """One call of the command."""

    target: Target
    tell: Callable[[str], None]
    yes: bool
    json: bool
    dry: bool
    did: dict[str, Any] = field(default_factory=dict)
    """The answer as JSON."""

    def __post_init__(self) -> None:
        self.did = {"stack": self.target.settings.stack, "dry_run": self.dry, "stacks": []}
        self.did |= dict.fromkeys(("image", "populate", "smoke_test"))

    def note(self, proposal: "Proposal") -> None:
        """Show the changes of a stack."""
        self.did["stacks"].append(proposal.to_json())
        if not self.json:
            show_stack(proposal)

    @property
    def changed(self) -> bool:
        return any(stack["changes"] for stack in self.did["stacks"])

    @property
    def has_workers(self) -> bool:
        return any(stack["stack"].endswith("-workers") for stack in self.did["stacks"])

    def agree(self, question: str) -> None:
        """Ask. Ends the command when the answer is no."""
        if not agreed(question, self.yes):
            self.tell("nothing more was changed")
            raise typer.Exit(1)

    def populate(self) -> None:
        """Give the project's documents to the stack; in a dry run, compare them with what it has."""
        if self.dry:
            changes = _compared(self)
            self.tell("populate: would give these documents to the stack")
        else:
            changes, started = hand_over(self.target.session)
            self.tell("populate: done")
            for rule in started:
                self.tell(f"rule {rule} started")
        self.did["populate"] = as_values(changes)
        if not self.json:
            show_changes(changes)

    def test(self, wanted: bool | None, seconds: float) -> bool:
        """Run the smoke test if it is wanted. Return whether the stack passed, or was not tested."""
        if not (self.changed and self.has_workers if wanted is None else wanted):
            return True
        if self.dry:
            self.tell(f"smoke test: would run one synthetic month, {seconds / 60:g} minutes at most, and remove it")
            self.did["smoke_test"] = {"seconds": seconds}
            return True
        if not agreed("Run one synthetic month through the stack, and remove it again?", self.yes or wanted is True):
            return True
        from pileus.deploy.smoke_test import smoke_test

        found = smoke_test(self.target.session.edges, self.target.session.workflows, seconds=seconds, tell=self.tell)
        for problem in found.problems:
            self.tell(f"smoke test: {problem}")
        if found.left:
            self.tell(f"smoke test: {found.left}")
        self.tell(f"smoke test: {'failed' if found.problems else 'passed'} after {show.seconds(found.seconds)}")
        self.did["smoke_test"] = found.to_json()
        return not found.problems


def _carry_out(run: _Run, chosen: "WorkerImage | None") -> None:
    """Deploy data and core, push the image to the registry that core has, and deploy the workers with its digest."""
    from pileus.deploy.worker_image import push

    assembly = run.target.synth(chosen)
    core: dict[str, str] = {}
    for stack in assembly.stacks():
        if stack.endswith("-workers") and chosen and chosen.is_pending:
            run.agree(f"{'Push' if chosen.local else 'Build and push'} {chosen.repository}:{chosen.tag}?")
            run.tell(f"image: {'pushing' if chosen.local else 'building and pushing, which takes minutes'}")
            chosen = push(run.target.aws, chosen, core, run.target.settings, run.target.tasks)
            run.did["image"] = chosen.to_json()
            run.tell(f"image: {chosen.address}")
            assembly = run.target.synth(chosen)
        core = _change(run, assembly, stack)
        if url := core.get("PileusUrl"):
            run.tell(f"the API is at {url}")
    run.tell(f"to use it: export PILEUS_STACK={run.target.settings.stack}")


def _change(run: _Run, assembly: "Assembly", stack: str) -> dict[str, str]:
    """Show the changes of a stack, ask, and carry them out. Return the stack's outputs."""
    from pileus.edges.change_sets import carry_out, discard, propose
    from pileus.edges.cloudformation import outputs

    proposal = propose(run.target.aws, assembly, stack)
    run.note(proposal)
    if not proposal.changes:
        discard(run.target.aws, proposal)
        return outputs(run.target.aws, stack) or {}
    try:
        run.agree(f"Change {stack}?")
    except BaseException:
        discard(run.target.aws, proposal)
        raise
    found = carry_out(run.target.aws, assembly, proposal)
    run.tell(f"{stack}: done")
    return found


def _foresee(run: _Run, chosen: "WorkerImage | None") -> None:
    """Show what each stack would change, and send nothing to AWS."""
    from pileus.edges.change_sets import all_new, foresee

    assembly = run.target.synth(chosen)
    for stack in assembly.stacks():
        run.note(foresee(run.target.aws, assembly, stack) if run.target.account else all_new(assembly, stack))


def _compared(run: _Run) -> list[tuple[str, str, str]]:
    """Return how the project's documents differ from those that the stack has; all are new where there is none."""
    from pileus.edges.cloudformation import outputs
    from pileus.project.populate import compare
    from pileus.project.registry import Registry

    registry, _ = read_documents(run.target.session)
    if run.target.account is None or outputs(run.target.aws, f"{run.target.settings.stack}-core") is None:
        return list(registry.difference(Registry()))
    return compare(run.target.session.edges.store, run.target.session.stack.internal, registry)[1]

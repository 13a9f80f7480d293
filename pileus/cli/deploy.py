"""pileus deploy: stacks, image, documents and a test, from nothing to a stack that works."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pileus.cli import show
from pileus.cli.account import Settings, Yes, account_line, agreed, cannot_ask, environment_account, tell_to
from pileus.cli.account import show_proposal as show_stack
from pileus.cli.app import app
from pileus.cli.populate import as_values, hand_over, read_documents, show_changes
from pileus.cli.session import Session

if TYPE_CHECKING:
    from pileus.deploy.worker_image import Account, WorkerImage
    from pileus.edges.aws import Aws
    from pileus.edges.change_sets import Proposal
    from pileus.edges.cloudformation import Assembly

Images = Annotated[
    bool | None,
    typer.Option(
        "--images/--no-images",
        help="Build and push the worker's image. If not given: where worker_image is not set and Docker answers.",
    ),
]
Image = Annotated[str | None, typer.Option(help="Image of this machine to push, in place of building one.")]
Populate = Annotated[bool, typer.Option("--populate", help="Then do what `pileus populate` does.")]
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
    """Create or update the stacks in the AWS account of your credentials, with the worker's image, and test them.

    Nothing changes until you say yes.
    """
    cannot_ask(json, yes or dry_run)
    run = _Run.of(settings, yes=yes, json=json, dry=dry_run)
    chosen = run.choose(images, image)
    (_foresee if dry_run else _carry_out)(run, chosen)
    if populate:
        run.populate()
    works = run.test(smoke_test, 60 * minutes)
    if json:
        show.as_json(run.did)
    if not works:
        raise typer.Exit(1)


@dataclass
class _Run:
    """One call of the command."""

    aws: "Aws"
    account: "Account | None"
    """None: no account answers, in a dry run."""
    session: Session
    values: dict[str, Any]
    """The settings as written."""
    settings: Any
    tell: Callable[[str], None]
    yes: bool
    json: bool
    dry: bool
    did: dict[str, Any] = field(default_factory=dict)
    """The answer as JSON."""

    @classmethod
    def of(cls, path: Path | None, *, yes: bool, json: bool, dry: bool) -> "_Run":
        from pileus.deploy.synth import check_settings, read_settings

        values = read_settings(os.environ, path)
        settings = check_settings(values)
        tell, aws = tell_to(json), environment_account()
        account = _account(aws, tell, needed=not dry)
        run = cls(aws, account, Session(settings.stack), values, settings, tell, yes, json, dry)
        run.did = {"stack": settings.stack, "dry_run": dry, "stacks": [], "image": None, "populate": None}
        run.did["smoke_test"] = None
        return run

    @property
    def tasks(self) -> Path | None:
        """Return the folder of the project's own tasks, if it has some."""
        folder = self.session.project.root / "tasks"
        return folder if folder.is_dir() else None

    def choose(self, images: bool | None, image: str | None) -> "WorkerImage | None":
        from pileus.deploy.worker_image import choose

        chosen = choose(self.aws, self.account, self.settings, images=images, image=image, tasks=self.tasks)
        self.tell(chosen.told if chosen else "image: none, so there will be no workers; `pileus doctor` says more")
        self.did["image"] = chosen.to_json() if chosen else None
        return chosen

    def synth(self, chosen: "WorkerImage | None") -> "Assembly":
        from pileus.deploy.synth import synth

        values = self.values | ({"worker_image": chosen.address} if chosen else {})
        return synth(self.session.project, self.session.home.assemblies.resolve(), values)

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
            changes, started = hand_over(self.session)
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

        found = smoke_test(self.session.edges, self.session.workflows, seconds=seconds, tell=self.tell)
        for problem in found.problems:
            self.tell(f"smoke test: {problem}")
        if found.left:
            self.tell(f"smoke test: {found.left}")
        self.tell(f"smoke test: {'failed' if found.problems else 'passed'} after {show.seconds(found.seconds)}")
        self.did["smoke_test"] = found.to_json()
        return not found.problems


def _account(aws: "Aws", tell: Callable[[str], None], *, needed: bool) -> "Account | None":
    """Tell which account is used, and return it; None where none answers and none is needed. Raises UsageError."""
    from pileus.deploy.worker_image import Account
    from pileus.errors import UsageError

    try:
        tell(account_line(aws))
    except UsageError as exc:
        if needed:
            raise
        tell(f"{exc.message}; so this shows a first deployment")
        return None
    return Account(aws.sts.get_caller_identity()["Account"], aws.sts.meta.region_name)


def _carry_out(run: _Run, chosen: "WorkerImage | None") -> None:
    """Deploy data and core, push the image to the registry that core has, and deploy the workers with its digest."""
    from pileus.deploy.worker_image import push

    assembly = run.synth(chosen)
    core: dict[str, str] = {}
    for stack in assembly.stacks():
        if stack.endswith("-workers") and chosen and chosen.is_pending:
            run.agree(f"{'Push' if chosen.local else 'Build and push'} {chosen.repository}:{chosen.tag}?")
            run.tell(f"image: {'pushing' if chosen.local else 'building and pushing, which takes minutes'}")
            chosen = push(run.aws, chosen, core, run.settings, run.tasks)
            run.did["image"] = chosen.to_json()
            run.tell(f"image: {chosen.address}")
            assembly = run.synth(chosen)
        core = _change(run, assembly, stack)
    run.tell(f"to use it: export PILEUS_STACK={run.settings.stack}")


def _change(run: _Run, assembly: "Assembly", stack: str) -> dict[str, str]:
    """Show the changes of a stack, ask, and carry them out. Return the stack's outputs."""
    from pileus.edges.change_sets import carry_out, discard, propose
    from pileus.edges.cloudformation import outputs

    proposal = propose(run.aws, assembly, stack)
    run.note(proposal)
    if not proposal.changes:
        discard(run.aws, proposal)
        return outputs(run.aws, stack) or {}
    try:
        run.agree(f"Change {stack}?")
    except BaseException:
        discard(run.aws, proposal)
        raise
    found = carry_out(run.aws, assembly, proposal)
    run.tell(f"{stack}: done")
    return found


def _foresee(run: _Run, chosen: "WorkerImage | None") -> None:
    """Show what each stack would change, and send nothing to AWS."""
    from pileus.edges.change_sets import all_new, foresee

    assembly = run.synth(chosen)
    for stack in assembly.stacks():
        run.note(foresee(run.aws, assembly, stack) if run.account else all_new(assembly, stack))


def _compared(run: _Run) -> list[tuple[str, str, str]]:
    """Return how the project's documents differ from those that the stack has; all are new where there is none."""
    from pileus.edges.cloudformation import outputs
    from pileus.project.populate import compare
    from pileus.project.registry import Registry

    registry, _ = read_documents(run.session)
    if run.account is None or outputs(run.aws, f"{run.settings.stack}-core") is None:
        return list(registry.difference(Registry()))
    return compare(run.session.edges.store, run.session.stack.internal, registry)[1]

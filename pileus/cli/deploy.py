"""pileus deploy: create or update the stacks in an AWS account."""

import typer

from pileus.cli import show
from pileus.cli.account import Settings, Yes, account_line, agreed, prepare, show_proposal
from pileus.cli.app import app


@app.command()
def deploy(settings: Settings = None, yes: Yes = False) -> None:
    """Create or update the stacks in the AWS account of your credentials. Nothing changes until you say yes."""
    from pileus.edges.change_sets import carry_out, discard, propose

    aws, assembly = prepare(settings)
    show.line(account_line(aws))
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
        show.line("no worker_image in the settings, so no workers were deployed: docs/deploy.md says how to push one")
<<<<<<< HEAD
=======


@app.command()
def diff(settings: Config = None) -> None:
    """Show what `pileus deploy` would change."""
    from pileus.edges.change_sets import discard, propose

    aws, assembly = _prepare(settings)
    for stack in assembly.stacks():
        proposal = propose(aws, assembly, stack)
        _show(proposal)
        discard(aws, proposal)


@app.command()
def destroy(settings: Config = None, yes: Yes = False) -> None:
    """Remove the workers and core stacks. The buckets, and all that was computed, stay."""
    from pileus.deploy.synth import check_settings, read_settings
    from pileus.edges.change_sets import remove
    from pileus.edges.cloudformation import describe

    session = Session()
    name = check_settings(session.project.root, read_settings(os.environ, settings)).stack
    aws = _aws()
    there = [stack for stack in (f"{name}-workers", f"{name}-core") if describe(aws, stack) is not None]
    if not there:
        show.line(f"there are no stacks {name}-workers and {name}-core")
        return
    show.line(_account(aws))
    show.line(f"removes {' and '.join(there)}; the stack {name}-data with its buckets stays")
    if not _agreed("Remove them?", yes):
        raise typer.Exit(1)
    for stack in there:
        remove(aws, stack)
        show.line(f"{stack}: removed")


@app.command()
def doctor(
    settings: Config = None, json: Annotated[bool, typer.Option("--json", help="For machines.")] = False
) -> None:
    """Check all that a deployment or a backfill needs, and say what to do where something is amiss."""
    from pileus.deploy.doctor import examine
    from pileus.deploy.synth import check_settings, read_settings

    session = Session()
    checked = check_settings(session.project.root, read_settings(os.environ, settings))
    registry, _ = session.project.registry()
    checks = examine(_aws(), checked, registry.providers.values(), session.project.root)
    if json:
        show.as_json([check.to_json() for check in checks])
    else:
        _report(checks)
    if any(check.ok is False for check in checks):
        raise typer.Exit(1)


def _report(checks: "Sequence[Check]") -> None:
    marks = {True: "ok", False: "amiss", None: "unknown"}
    show.table(("", "check", "found"), [(marks[check.ok], check.name, check.found) for check in checks])
    for check in checks:
        if check.ok is not True and check.advice:
            show.line(f"{check.name}: {check.advice}")


def _aws() -> "Aws":
    """The account of the environment; never the embedded one by accident."""
    from pileus.edges.aws import Aws

    return Aws()


def _prepare(settings: Path | None) -> "tuple[Aws, Assembly]":
    from pileus.deploy.synth import read_settings, synth

    session = Session()
    values: dict[str, Any] = read_settings(os.environ, settings)
    return _aws(), synth(session.project.root, session.home.assemblies.resolve(), values)


def _account(aws: "Aws") -> str:
    """Raises UsageError where there are no credentials."""
    from botocore.exceptions import BotoCoreError, ClientError

    from pileus.errors import UsageError

    try:
        who = aws.sts.get_caller_identity()
    except (BotoCoreError, ClientError) as exc:
        raise UsageError(f"no AWS account answers: {exc}; `pileus doctor` says more") from exc
    return f"account {who['Account']}, region {aws.sts.meta.region_name}"


def _show(proposal: "Proposal") -> None:
    if not proposal.changes:
        show.line(f"{proposal.stack}: no changes")
        return
    new = "new stack, " if proposal.change_set is None else ""
    show.line(f"{proposal.stack}: {new}{len(proposal.changes)} changes")
    rows = [
        (change.action + (", replaced" if change.replaced else ""), change.kind, change.name)
        for change in proposal.changes
    ]
    show.table(("change", "type", "resource"), rows)


def _agreed(question: str, yes: bool) -> bool:
    from pileus.errors import UsageError

    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here: --yes says it is meant")
    return typer.confirm(question)
>>>>>>> hops

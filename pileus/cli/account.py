"""The account that deploy, diff, destroy and doctor speak to, and the questions they ask first."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pileus.cli import show
from pileus.cli.session import Session

if TYPE_CHECKING:
    from pileus.edges.aws import Aws
    from pileus.edges.change_sets import Proposal
    from pileus.edges.cloudformation import Assembly

Settings = Annotated[
    Path | None, typer.Option("--settings", help="JSON file of settings; PILEUS_SETTINGS changes what it says.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def environment_account() -> "Aws":
    """Return the account of the environment; never the embedded one by accident."""
    from pileus.edges.aws import Aws

    return Aws()


def prepare(settings: Path | None, json: bool) -> "tuple[Aws, Assembly]":
    """Say which account it is, then synthesize. Raises UsageError where there are no credentials."""
    from pileus.deploy.synth import read_settings, synth

    session = Session()
    values: dict[str, Any] = read_settings(os.environ, settings)
    aws = environment_account()
    tell_to(json)(account_line(aws))
    return aws, synth(session.project, session.home.assemblies.resolve(), values)


def account_line(aws: "Aws") -> str:
    """Raises UsageError where there are no credentials."""
    from pileus.errors import StoreError, UsageError

    try:
        who = aws.sts.get_caller_identity()
    except StoreError as exc:
        raise UsageError(f"no AWS account answers: {exc}; `pileus doctor` says more") from exc
    return f"account {who['Account']}, region {aws.sts.meta.region_name}"


def show_proposal(proposal: "Proposal") -> None:
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


def tell_to(json: bool) -> Callable[[str], None]:
    """Return what tells a person of each step: on standard error where the answer is JSON."""
    return (lambda text: show.errors.print(text, markup=False, soft_wrap=True)) if json else show.line


def cannot_ask(json: bool, yes: bool) -> None:
    """Raise UsageError for a command that answers in JSON and would have to ask."""
    from pileus.errors import UsageError

    if json and not yes:
        raise UsageError("--json answers a machine, which cannot be asked: add --yes")


def agreed(question: str, yes: bool) -> bool:
    from pileus.errors import UsageError

    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here: --yes says it is meant")
    return typer.confirm(question)

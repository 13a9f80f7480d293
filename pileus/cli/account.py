"""The AWS account that deploy, diff, destroy and doctor use, and the questions they ask first."""

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
    Path | None, typer.Option("--settings", help="JSON file of settings; PILEUS_SETTINGS overrides it.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def environment_account() -> "Aws":
    """Return the clients for the account of the environment. Never returns the embedded AWS."""
    from pileus.edges.aws import Aws

    return Aws()


def prepare(settings: Path | None, json: bool) -> "tuple[Aws, Assembly]":
    """Print which account is used, then synthesize. Return both. Raises UsageError when there are no credentials."""
    from pileus.deploy.synth import read_settings, synth

    session = Session()
    values: dict[str, Any] = read_settings(os.environ, settings)
    aws = environment_account()
    tell_to(json)(account_line(aws))
    return aws, synth(session.project, session.home.assemblies.resolve(), values)


def account_line(aws: "Aws") -> str:
    """Return a line with the account and the region. Raises UsageError when there are no credentials."""
    from pileus.errors import StoreError, UsageError

    try:
        who = aws.sts.get_caller_identity()
    except StoreError as exc:
        raise UsageError(f"no AWS account answers: {exc}; see `pileus doctor`") from exc
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
    """Return a function that prints each step for people: on standard error when the answer is JSON."""
    return (lambda text: show.errors.print(text, markup=False, soft_wrap=True)) if json else show.line


def cannot_ask(json: bool, yes: bool) -> None:
    """Raise UsageError for a command with --json that would have to ask a question."""
    from pileus.errors import UsageError

    if json and not yes:
        raise UsageError("with --json nobody can answer the question: add --yes")


def agreed(question: str, yes: bool) -> bool:
    from pileus.errors import UsageError

    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask on: add --yes to go on")
    return typer.confirm(question)

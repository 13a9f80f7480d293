"""The AWS account that deploy, diff, destroy and doctor use, and the questions they ask first."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pileus.cli import show
from pileus.cli.session import Session

if TYPE_CHECKING:
    from pileus.deploy.worker_image import Account, WorkerImage
    from pileus.edges.aws import Aws
    from pileus.edges.change_sets import Proposal
    from pileus.edges.cloudformation import Assembly

Settings = Annotated[
    Path | None, typer.Option("--settings", help="JSON file of settings; PILEUS_SETTINGS overrides it.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Images = Annotated[
    bool | None,
    typer.Option(
        "--images/--no-images",
        help="Build and push the worker's image. If not given: where worker_image is not set and Docker answers.",
    ),
]
Image = Annotated[str | None, typer.Option(help="Image of this machine to push, in place of building one.")]


def environment_account() -> "Aws":
    """Return the clients for the account of the environment. Never returns the embedded AWS."""
    from pileus.edges.aws import Aws

    return Aws()


@dataclass(frozen=True)
class Target:
    """An account, the project, and the settings of the stacks that are made of it there."""

    aws: "Aws"
    account: "Account | None"
    """None: no account answers, and none is needed."""
    session: Session
    values: dict[str, Any]
    """The settings as written."""
    settings: Any

    @classmethod
    def of(cls, path: Path | None, tell: Callable[[str], None], *, needed: bool = True) -> "Target":
        """Read the settings, and tell which account is used. Raises UsageError when it is needed and none answers."""
        from pileus.deploy.synth import check_settings, read_settings

        values = read_settings(os.environ, path)
        settings, aws = check_settings(values), environment_account()
        return cls(aws, _account(aws, tell, needed=needed), Session(settings.stack), values, settings)

    @property
    def tasks(self) -> Path | None:
        """Return the folder of the project's own tasks, if it has some."""
        return self.session.project.tasks_folder

    def image(
        self, tell: Callable[[str], None], images: bool | None = None, image: str | None = None
    ) -> "WorkerImage | None":
        """Return the image that the workers will have, and tell it. None: there will be no workers."""
        from pileus.deploy.worker_image import choose

        chosen = choose(self.aws, self.account, self.settings, images=images, image=image, tasks=self.tasks)
        none = f"no workers{' and no API' if self.settings.api else ''}"
        tell(chosen.told if chosen else f"image: no worker_image in the settings and none built, so {none}")
        return chosen

    def synth(self, chosen: "WorkerImage | None") -> "Assembly":
        """Return the stacks, whose workers have this image."""
        from pileus.deploy.synth import synth

        values = self.values | ({"worker_image": chosen.address} if chosen else {})
        return synth(self.session.project, self.session.home.assemblies.resolve(), values)


def _account(aws: "Aws", tell: Callable[[str], None], *, needed: bool) -> "Account | None":
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

"""The project of the current folder, and the stack that is up, for a command."""

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pileus.client.client import Client
    from pileus.client.services import Services
    from pileus.edges.aws import Aws, Stack
    from pileus.edges.dead_letters import DeadLetters
    from pileus.edges.logs import WorkerLogs
    from pileus.edges.message_sources import MessageSources
    from pileus.edges.queues import Queues
    from pileus.edges.schedules import Schedules
    from pileus.edges.workflows import Workflows
    from pileus.embedded.home import Home
    from pileus.project.folder import Project
    from pileus.wiring import Edges


@dataclass
class Session:
    """The project and the stack of one command. Raises UsageError when the asked part does not exist.

    `on`: name of a stack on AWS; None: see `stack`.
    """

    on: str | None = None
    settings: Path | None = None
    """File of the deployment's settings; None: the defaults."""

    @property
    def _on_aws(self) -> str | None:
        return self.on or os.environ.get("PILEUS_STACK")

    @cached_property
    def project(self) -> "Project":
        """Return the nearest folder with collections/, this one or one above."""
        from pileus.project.folder import find_project

        return find_project(Path.cwd())

    @cached_property
    def home(self) -> "Home":
        from pileus.embedded.home import Home

        return Home(self.project.root)

    @cached_property
    def stack(self) -> "Stack":
        """Return the stack, found in this order:

        1. With PILEUS_URL in the environment there is none: a server has it.
        2. `on`, else PILEUS_STACK in the environment: that one, on AWS (or at AWS_ENDPOINT_URL).
        3. The embedded one of this project, when it is up.
        """
        from pileus.edges.aws import Stack
        from pileus.edges.cloudformation import outputs
        from pileus.errors import UsageError

        self.alone()
        if name := self._on_aws:
            found = outputs(self.aws, f"{name}-core")
            if found is None:
                raise UsageError(f"there is no stack {name}-core in this account and region: `pileus deploy` makes it")
            return Stack.from_outputs(found)
        running = self.home.running()
        if running is None or not running.ready:
            raise UsageError("no stack is up: run `pileus up --detach`, or set PILEUS_STACK to one on AWS")
        return Stack.from_env(running.stack)

    @staticmethod
    def alone() -> None:
        """Raise UsageError where the commands speak to a server: this one works beside a stack."""
        from pileus.errors import UsageError

        if url := os.environ.get("PILEUS_URL"):
            raise UsageError("this command works beside a stack alone: unset PILEUS_URL", where=url)

    @cached_property
    def aws(self) -> "Aws":
        from pileus.edges.aws import Aws

        running = None if self._on_aws else self.home.running()
        return running.aws if running else Aws()

    @cached_property
    def edges(self) -> "Edges":
        from pileus.errors import UsageError
        from pileus.task_folder import bring_group_tasks
        from pileus.wiring import wire

        with suppress(UsageError):  # there may be no project here, only a stack
            bring_group_tasks(self.project.own_tasks())  # collections of the stack may name them
        return wire(os.environ, self.aws, self.stack, self._endpoints())

    def _endpoints(self) -> Path | None:
        """Return the folder of the project's endpoints; None where there is no project here."""
        from pileus.errors import UsageError

        with suppress(UsageError):
            return self.project.endpoints_folder
        return None

    @cached_property
    def workflows(self) -> "Workflows":
        from pileus.wiring import wire_workflows

        return wire_workflows(self.aws, self.stack)

    @cached_property
    def schedules(self) -> "Schedules":
        from pileus.wiring import wire_schedules

        return wire_schedules(self.aws, self.stack)

    @cached_property
    def sources(self) -> "MessageSources":
        from pileus.wiring import wire_sources

        return wire_sources(self.aws, self.stack)

    @cached_property
    def queues(self) -> "Queues":
        from pileus.wiring import wire_queues

        return wire_queues(self.aws, self.stack)

    @cached_property
    def dead_letters(self) -> "DeadLetters":
        from pileus.wiring import wire_dead_letters

        return wire_dead_letters(self.aws, self.stack)

    @cached_property
    def client(self) -> "Client":
        """Return the client: of the server that PILEUS_URL names, with the token PILEUS_TOKEN, else of the stack."""
        if url := os.environ.get("PILEUS_URL"):
            from pileus.client.remote import RemoteClient

            return RemoteClient(url, os.environ.get("PILEUS_TOKEN", ""))
        from pileus.client.local import LocalClient

        return LocalClient(self.services, self.deployment, getuser())

    def deployment(self) -> Any:
        """Return the settings of the deployment on AWS. Raises UsageError, which names the setting that is wrong."""
        from pileus.deploy.synth import check_settings, read_settings

        return check_settings(read_settings(os.environ, self.settings))

    @cached_property
    def services(self) -> "Services":
        """Return what the stack's local client stands on."""
        from pileus.client.services import Services

        return Services(self.aws, self.edges, self.worker_logs)

    @cached_property
    def worker_logs(self) -> "WorkerLogs":
        """Return the logs of the stack's workers."""
        from pileus.edges.logs import CloudWatchLogs, FolderLogs

        if self._on_aws:
            return CloudWatchLogs(self.aws.logs, f"/pileus/{self.stack.stack}/workers")
        return FolderLogs(self.home.logs)

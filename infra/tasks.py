"""Tasks of a project: a Lambda, or a queue that workers of its own take from."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aws_cdk import ArnFormat, Duration, Size, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import access, task_access
from infra.network import log_group
from infra.queue import FedQueue
from infra.settings import Settings
from pileus.documents.task import TaskDefinition
from pileus.project.workflow_tasks import value_name
from pileus.task_folder import FOLDER

if TYPE_CHECKING:
    from infra.core import Core

PACKAGED = "/var/task/tasks"
"""Where the package of the Lambdas has the project's tasks."""
APP = "/opt/pileus/app"
"""Where the worker's image has the code."""
IN_IMAGE = f"{APP}/tasks"
"""Where it has the project's tasks."""


class Task(Construct):
    """One Lambda: its function, its log group and its role.

    `full_name`: the function's; `handler`: as Lambda names it; `code`: None where the definition names an image.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        full_name: str,
        handler: str,
        settings: Settings,
        code: lambda_.Code | None,
        environment: Mapping[str, str],
        definition: TaskDefinition,
    ) -> None:
        super().__init__(scope, id)
        name = full_name.removeprefix(f"{settings.stack}-")
        self.logs = log_group(self, settings, f"/pileus/{settings.stack}/{name}")
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        access.allow(
            self.role,
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [f"{_group_arn(self, settings, name)}:*"],
            why="The streams of its own log group, which Lambda names.",
        )
        image = definition.image
        content = image_code(self, image, handler) if image else code
        assert content is not None  # it has one or the other
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=full_name,
            runtime=lambda_.Runtime.FROM_IMAGE if image else lambda_.Runtime.PYTHON_3_12,
            code=content,
            handler=lambda_.Handler.FROM_IMAGE if image else handler,
            timeout=Duration.seconds(definition.timeout),
            memory_size=definition.memory or 512,
            ephemeral_storage_size=Size.gibibytes(definition.volume) if definition.volume else None,
            environment={**environment, **definition.environment},
            log_group=self.logs,
            role=self.role,
            architecture=lambda_.Architecture.ARM_64
            if settings.architecture == "arm64"
            else lambda_.Architecture.X86_64,
        )


def image_code(scope: Construct, image: str, handler: str) -> lambda_.Code:
    """Return an image of this account's registry, run by the client of Lambda's runtime that Pileus's images have."""
    repository, tag = repository_of(scope, image)
    command = ["python", "-m", "awslambdaric", handler]
    # The image's own folder is its user's alone, and Lambda has another user.
    return lambda_.Code.from_ecr_image(repository, tag_or_digest=tag, cmd=command, working_directory=APP)


def repository_of(scope: Construct, image: str) -> tuple[ecr.IRepository, str]:
    """Return the repository of an image in this account's registry, and the image's tag or digest."""
    _, _, rest = image.partition("/")
    name, _, tag = rest.partition("@" if "@" in rest else ":")
    return ecr.Repository.from_repository_name(scope, "Repository", name), tag or "latest"


def _group_arn(scope: Construct, settings: Settings, name: str) -> str:
    return Stack.of(scope).format_arn(
        service="logs",
        resource="log-group",
        resource_name=f"/pileus/{settings.stack}/{name}",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )


class OwnTask(Construct):
    """A task of the project that a workflow may name: `function` for a Lambda, `queue` for one in workers."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        definition: TaskDefinition,
        *,
        settings: Settings,
        core: "Core",
        code: lambda_.Code,
        environment: Mapping[str, str],
    ) -> None:
        super().__init__(scope, f"Task-{name}")
        self.name, self.definition = name, definition
        self.function: lambda_.Function | None = None
        self.queue: FedQueue | None = None
        self.token_arns: list[str] = []
        """Of the workflows that name it."""
        if definition.runs == "lambda":
            task = Task(
                self,
                "Lambda",
                full_name=f"{settings.stack}-task-{name}",
                handler="pileus.tasks.own_task.handler",
                settings=settings,
                code=code,
                environment={**environment, "PILEUS_TASK": name},
                definition=definition,
            )
            task_access.allow_definition(task.role, core, definition)
            self.function = task.function
        else:
            self.queue = FedQueue(self, f"task-{name}", settings=settings)

    @property
    def value(self) -> tuple[str, str]:
        """Return what the stack puts into workflows for it: name and value."""
        if self.function:
            return value_name(self.name, "Arn"), self.function.function_arn
        assert self.queue  # it has one or the other
        return value_name(self.name, "Queue"), self.queue.queue.queue_url

    def allow_use(self, role: iam.IGrantable, token_arns: Sequence[str]) -> None:
        """Allow a workflow to use it; the task may then answer the workflow's tokens."""
        if self.function:
            access.allow(role, ["lambda:InvokeFunction"], [self.function.function_arn])
        if self.queue:
            access.allow_sending(role, [self.queue.queue])
            self.token_arns += token_arns


def tasks_folder(settings: Settings, folder: str) -> dict[str, str]:
    """Return the environment that tells Lambdas where the project's tasks are; `folder`: on this machine."""
    return {FOLDER: folder if settings.embedded else PACKAGED}

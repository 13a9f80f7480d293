"""A workflow: its state machine, its log, and the rights of every workflow."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra import access
from infra.network import log_group
from infra.settings import Settings
from infra.tasks import OwnTask
from pileus.product import WORKFLOW
from pileus.project.workflow_definition import LAMBDAS
from pileus.project.workflow_tasks import tasks_of, with_names, with_tasks


class Workflow(Construct):
    """A state machine from a file <name>.asl.json, with rights for what its states do and no more.

    `values`: of the `${...}` that it may have; `tasks`: those of the project. Who makes it grants what `values`,
    `reads_items` and `sends_groups` tell.
    """

    def __init__(
        self,
        scope: Construct,
        path: Path,
        *,
        settings: Settings,
        values: dict[str, str],
        tasks: Mapping[str, OwnTask],
    ) -> None:
        name, text = path.name.removesuffix(WORKFLOW), with_names(path.read_text(), tasks, LAMBDAS)
        # One of Cumulus is often called as the Lambda is that its first step names.
        super().__init__(scope, f"{name}Workflow" if scope.node.try_find_child(name) else name)
        self.name = name
        used = [tasks[name] for name in tasks_of(text)]
        definition = with_tasks(text, {task.name: task.definition for task in used})
        self.values = {name: value for name, value in values.items() if f"${{{name}}}" in definition}
        self.reads_items = '"ItemReader"' in text or '"ResultWriter"' in text
        self.sends_groups = '"arn:aws:states:::sqs:sendMessage' in text
        full_name = f"{settings.stack}-{self.name}"
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            state_machine_name=full_name,
            definition_body=sfn.DefinitionBody.from_string(definition),
            definition_substitutions=self.values | dict(task.value for task in used),
            **(_logged(self, settings, self.name) if not settings.embedded else {}),
        )
        if not settings.embedded:
            access.accept(self.machine, "*", "What Step Functions needs to deliver logs can be granted on all only.")
        if "states:startExecution" in text:  # a template names the workflow of its points, so it may be any
            self.grant_executions(f"{settings.stack}-*")
        elif '"DISTRIBUTED"' in text:
            self.grant_executions(full_name)
        if "states:startExecution.sync" in text:
            self.grant_waiting()
        # A token belongs to the machine, or to one of its Distributed Maps by the Map's label.
        parts = (full_name, *(f"{full_name}/{label}" for label in re.findall(r'"Label"\s*:\s*"([^"]+)"', definition)))
        self.token_arns = [states_arn(self, "stateMachine", part) for part in parts]
        for task in used:
            task.allow_use(self.machine, self.token_arns)

    def grant_executions(self, name: str) -> None:
        """Allow the workflow to start, watch and stop executions of the machine (or machines, by `*`) called `name`."""
        machines = [states_arn(self, "stateMachine", name)]
        access.allow(self.machine, ["states:StartExecution"], machines, why="A template names its workflow.")
        # Those of a Distributed Map stand behind a slash.
        executions = [states_arn(self, "execution", f"{name}{rest}") for rest in (":*", "/*")]
        why = "Executions are named as they start."
        access.allow(self.machine, ["states:DescribeExecution", "states:StopExecution"], executions, why=why)

    def grant_waiting(self) -> None:
        """Grant what `startExecution.sync` needs: a rule of EventBridge tells Step Functions that the child ended."""
        rule = Stack.of(self).format_arn(
            service="events", resource="rule", resource_name="StepFunctionsGetEventsForStepFunctionsExecutionRule"
        )
        access.allow(self.machine, ["events:PutTargets", "events:PutRule", "events:DescribeRule"], [rule])


def _logged(scope: Construct, settings: Settings, name: str) -> dict[str, Any]:
    """Return options that log errors. AWS requires the beginning of the log's name for delivered logs."""
    group = log_group(scope, settings, f"/aws/vendedlogs/states/{settings.stack}-{name}")
    return {"logs": sfn.LogOptions(destination=group, level=sfn.LogLevel.ERROR, include_execution_data=False)}


def states_arn(scope: Construct, resource: str, name: str) -> str:
    """Return the ARN of a state machine, or of its executions, by name."""
    return Stack.of(scope).format_arn(
        service="states", resource=resource, resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
    )

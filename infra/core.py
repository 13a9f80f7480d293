"""The core stack: tables, queues, topic, Lambdas, workflows. Deploys anywhere, embedded too."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aws_cdk import ArnFormat, CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sns as sns
from aws_cdk.aws_lambda_event_sources import SqsEventSource
from constructs import Construct

from infra import access, reasons
from infra.alarms import Alarms
from infra.cirrus import CirrusPointer, payload_table
from infra.data import bucket_name
from infra.queue import FedQueue
from infra.settings import Settings
from infra.tasks import OwnTask, Task, tasks_folder
from infra.workflow import Workflow, states_arn
from pileus.cumulus.start_document import INGEST as INGEST_NAME
from pileus.documents.grouping import PAYLOADS as PAYLOADS_NAME
from pileus.documents.task import TaskDefinition
from pileus.granules.bulk import WORKFLOW as BULK_NAME
from pileus.product import WORKFLOW
from pileus.project.folder import product_tasks
from pileus.project.workflow_definition import VALUES
from pileus.task_folder import TaskFolder

LAMBDAS = {
    "GenerateCollections": "generate_collections",
    "DiscoverGranules": "discover_granules",
    "ReportStatus": "report_status",
    "ActOnGranules": "act_on_granules",
    "StartFromMessage": "start_from_message",
    "QueueGranules": "queue_granules",
    "SyncGranule": "sync_granule",
    "MoveGranules": "move_granules",
    "AdvanceGraph": "advance_graph",
}
"""Folder by name of the Lambdas that come with Pileus."""
TRIGGER, PROCESS, RUN, GRAPH, BULK, INGEST, PAYLOADS = (
    Path(__file__).parent / "workflows" / f"{name}{WORKFLOW}"
    for name in (
        "GenerateCollectionsTriggerWorkflows",
        "DiscoverAndProcessGranules",
        "RunProcess",
        "RunGraph",
        "BulkGranules",
        "IngestGranules",
        PAYLOADS_NAME,
    )
)
OWN = (BULK_NAME, INGEST_NAME, PAYLOADS_NAME)
"""Workflows of Pileus that no document of a project is handed to, beside the first three."""


class Tables(Construct):
    """The live index. All of it can be rebuilt from S3."""

    def __init__(self, scope: Construct, *, settings: Settings) -> None:
        super().__init__(scope, "Tables")
        self.partitions = self._table(settings, "partitions", "collection", "partition")
        self.payloads = payload_table(self, settings)
        self.backfills = self._table(settings, "backfills", "id")
        self.connections = self._table(settings, "connections", "provider", "lease")

    def _table(self, settings: Settings, name: str, key: str, sort: str | None = None) -> dynamodb.Table:
        text = dynamodb.AttributeType.STRING
        return dynamodb.Table(
            self,
            name.title(),
            table_name=f"{settings.stack}-{name}",
            partition_key=dynamodb.Attribute(name=key, type=text),
            sort_key=dynamodb.Attribute(name=sort, type=text) if sort else None,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            removal_policy=RemovalPolicy.DESTROY,
        )


class Core(Stack):
    """Names, connections and grants; everything with a shape is a construct above."""

    def __init__(
        self,
        scope: Construct,
        *,
        settings: Settings,
        code: lambda_.Code,
        own: Sequence[Path],
        tasks: Path | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, f"{settings.stack}-core", **kwargs)
        self.internal = s3.Bucket.from_bucket_name(self, "Internal", bucket_name(self, settings, "internal"))
        self.protected = s3.Bucket.from_bucket_name(self, "Protected", bucket_name(self, settings, "protected"))
        self.named = [
            s3.Bucket.from_bucket_name(self, f"Named{number}", bucket)
            for number, bucket in enumerate(sorted({one.name for one in settings.buckets.values()}))
        ]
        self.tables = Tables(self, settings=settings)
        self.ingest = FedQueue(self, "ingest", settings=settings)
        self.backfill = FedQueue(self, "backfill", settings=settings)
        self.messages = FedQueue(self, "messages", settings=settings)
        self.payloads = FedQueue(self, "process", settings=settings)
        self.published = sns.Topic(self, "Published", topic_name=f"{settings.stack}-published", enforce_ssl=True)
        self.payload_events = sns.Topic(
            self, "PayloadEvents", topic_name=f"{settings.stack}-payload-events", enforce_ssl=True
        )
        self.topic = sns.Topic(self, "Reports", topic_name=f"{settings.stack}-reports", enforce_ssl=True)
        self.schedules = scheduler.CfnScheduleGroup(self, "Schedules", name=settings.stack)

        self.names = self._names(settings)
        CirrusPointer(self, names=self.names)
        environment = self.names | (tasks_folder(settings, str(tasks)) if tasks else {})
        definitions = product_tasks()
        lambdas = {
            name: self._lambda(name, folder, definitions[folder].definition, settings, code, environment)
            for name, folder in LAMBDAS.items()
        }
        self.has_tasks = tasks is not None
        self.tasks = {
            name: OwnTask(self, name, task.definition, settings=settings, core=self, code=code, environment=environment)
            for name, task in (TaskFolder(tasks).tasks() if tasks else {}).items()
            if task.definition.runs != "group"
        }
        self._wire(settings, own, lambdas)
        if not settings.embedded:
            self.repository = self._repository(settings)
            CfnOutput(self, "PileusRepository", value=self.repository.repository_uri)
            self.alarms = Alarms(self, settings=settings, core=self)
            reasons.give(self)
        self.named_workflows = {"PILEUS_WORKFLOW_NAMES": ",".join(sorted(self.workflow_arns))}
        for name, value in (self.names | self.named_workflows).items():
            CfnOutput(self, name.title().replace("_", ""), value=value)

    def _lambda(
        self,
        name: str,
        folder: str,
        definition: TaskDefinition,
        settings: Settings,
        code: lambda_.Code,
        environment: dict[str, str],
    ) -> lambda_.Function:
        """Add a Lambda that comes with Pileus; its definition and its handler are in lambdas/."""
        return Task(
            self,
            name,
            full_name=f"{settings.stack}-{name}",
            handler=f"lambdas.{folder}.handler.handler",
            settings=settings,
            code=code,
            environment=environment,
            definition=definition,
        ).function

    def _names(self, settings: Settings) -> dict[str, str]:
        """Return the names that every entry point needs of the stack; `pileus.edges.aws.Stack` reads them."""
        named = {key: one.model_dump() for key, one in settings.buckets.items()}
        return {
            **({"PILEUS_STAC_API": settings.stac_api.model_dump_json(exclude_none=True)} if settings.stac_api else {}),
            **({"PILEUS_BUCKETS": json.dumps(named, sort_keys=True)} if named else {}),
            "PILEUS_STACK": settings.stack,
            "PILEUS_INTERNAL": self.internal.bucket_name,
            "PILEUS_PROTECTED": self.protected.bucket_name,
            "PILEUS_PARTITIONS": self.tables.partitions.table_name,
            "PILEUS_PAYLOADS": self.tables.payloads.table_name,
            "PILEUS_BACKFILLS": self.tables.backfills.table_name,
            "PILEUS_CONNECTIONS": self.tables.connections.table_name,
            "PILEUS_INGEST": self.ingest.queue.queue_url,
            "PILEUS_INGEST_DEAD": self.ingest.dead.queue_url,
            "PILEUS_BACKFILL": self.backfill.queue.queue_url,
            "PILEUS_BACKFILL_DEAD": self.backfill.dead.queue_url,
            "PILEUS_MESSAGES": self.messages.queue.queue_url,
            "PILEUS_MESSAGES_DEAD": self.messages.dead.queue_url,
            "PILEUS_PROCESS": self.payloads.queue.queue_url,
            "PILEUS_PUBLISH": self.published.topic_arn,
            "PILEUS_PAYLOAD_EVENTS": self.payload_events.topic_arn,
            "PILEUS_TOPIC": self.topic.topic_arn,
            "PILEUS_WORKFLOWS": states_arn(self, "stateMachine", f"{settings.stack}-"),
            "PILEUS_VISIBILITY": str(settings.visibility_seconds),
            "PILEUS_DEATHS": str(settings.deaths),
        }

    def _wire(
        self,
        settings: Settings,
        own: Sequence[Path],
        lambdas: Mapping[str, lambda_.Function],
    ) -> None:
        functions = {f"{name}Arn": function for name, function in lambdas.items()}
        report = lambdas["ReportStatus"]
        values = {name: function.function_arn for name, function in functions.items()} | {
            "PointConcurrency": str(settings.point_concurrency),
            "GroupConcurrency": str(settings.group_concurrency),
            "SilenceSeconds": str(settings.silence_seconds),
            "TimeoutSeconds": str(settings.timeout_seconds),
        }
        trigger, process, run, graph, *others = (
            Workflow(self, path, settings=settings, values={name: values[name] for name in VALUES}, tasks=self.tasks)
            for path in (TRIGGER, PROCESS, RUN, GRAPH, BULK, INGEST, PAYLOADS, *own)
        )
        for workflow in (trigger, process, run, graph, *others):
            self._let(workflow, [function for name, function in functions.items() if name in workflow.values])
        self.token_arns = [arn for one in (process, run, graph, *others) if one.sends_groups for arn in one.token_arns]
        self.machines = {"Trigger": trigger.machine, "Process": process.machine, "Run": run.machine}
        self.machines["Graph"] = graph.machine
        self.machines |= {workflow.name: workflow.machine for workflow in others}
        names = [f"{settings.stack}-{workflow.name}" for workflow in (trigger, process, run, graph, *others)]
        self.workflow_arns = {
            name.removeprefix(f"{settings.stack}-"): (
                states_arn(self, "stateMachine", name),
                states_arn(self, "execution", f"{name}:*"),
            )
            for name in names
        }
        self.applied = [workflow.name for workflow in others if workflow.name not in OWN]
        """Workflows of the project that a document is handed to."""

        access.allow_generate(lambdas["GenerateCollections"], self)
        access.allow_discover(lambdas["DiscoverGranules"], settings, self)
        access.allow_report(report, settings, self)
        access.allow_granules(lambdas["ActOnGranules"], self)
        access.allow_advance(lambdas["AdvanceGraph"], self)
        stopped = ["ABORTED", "FAILED", "TIMED_OUT"]  # by somebody in Step Functions, or by an error there
        self._executions_end(settings, "Stopped", (trigger, run, graph), report, status=stopped)
        runs = [{"prefix": "run_"}, {"wildcard": "*-*-5*-*-*"}]  # payloads: Cirrus names executions by a UUID
        ending = [workflow for workflow in others if workflow.name != PAYLOADS_NAME]  # no run has an execution of that
        self._executions_end(settings, "Ended", ending, report, name=runs, status=[*stopped, "SUCCEEDED"])
        access.allow_queue_granules(lambdas["QueueGranules"], settings, self)
        access.allow_sync(lambdas["SyncGranule"], settings, self)
        access.allow_move(lambdas["MoveGranules"], self)
        self._messages(settings, lambdas["StartFromMessage"])
        self._schedule_role(settings, trigger)

    def _messages(self, settings: Settings, start: lambda_.Function) -> None:
        """Let StartFromMessage take the stack's own messages, payloads, and messages of the sources that the settings
        name; `populate` connects the sources of rules.
        """
        access.allow_start(start, settings, self)
        for fed in (self.messages, self.payloads):
            start.add_event_source(SqsEventSource(fed.queue, batch_size=10, report_batch_item_failures=True))

    def _let(self, workflow: Workflow, functions: Sequence[lambda_.Function]) -> None:
        """Allow a workflow what its states do with what the stack has."""
        for function in functions:
            access.allow(workflow.machine, ["lambda:InvokeFunction"], [function.function_arn])
        if workflow.reads_items:
            access.allow_workflow(workflow.machine, self.internal)
        if workflow.sends_groups:
            access.allow_sending(workflow.machine, [queue.queue for queue in (self.ingest, self.backfill)])

    def _repository(self, settings: Settings) -> ecr.Repository:
        """Add the repository for the worker's images, which Lambdas of this stack may run as well."""
        made = ecr.Repository(
            self,
            "Images",
            repository_name=f"{settings.stack}-worker",
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            encryption=ecr.RepositoryEncryption.AES_256,
            lifecycle_rules=[ecr.LifecycleRule(max_image_count=10)],
            removal_policy=RemovalPolicy.DESTROY,
            empty_on_delete=True,
        )
        functions = self.format_arn(
            service="lambda",
            resource="function",
            resource_name=f"{settings.stack}-*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        made.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("lambda.amazonaws.com")],
                actions=["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                conditions={"StringLike": {"aws:sourceArn": functions}},
            )
        )
        return made

    def _executions_end(
        self, settings: Settings, id: str, workflows: Sequence[Workflow], report: lambda_.Function, **detail: Any
    ) -> None:
        """Send the ends of executions of these workflows to ReportStatus, which ends them in the index. `detail`: which
        ends.
        """
        machines = [workflow.machine.state_machine_arn for workflow in workflows]
        events.Rule(
            self,
            id,
            rule_name=f"{settings.stack}-{id.lower()}",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={"stateMachineArn": machines, **detail},
            ),
            targets=[targets.LambdaFunction(report)],
        )

    def _schedule_role(self, settings: Settings, trigger: Workflow) -> None:
        """Add the role with which EventBridge Scheduler starts a rule's backfill, or queues the message that starts its
        workflow; `populate` makes the schedules.
        """
        role = iam.Role(
            self,
            "ScheduleRole",
            role_name=f"{settings.stack}-schedules-{self.region}",
            assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"),
        )
        trigger.machine.grant_start_execution(role)
        access.allow(role, ["sqs:SendMessage"], [self.messages.queue.queue_arn])
        self.schedule_role = role
        CfnOutput(self, "PileusScheduleRole", value=role.role_arn)

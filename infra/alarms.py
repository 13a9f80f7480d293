"""Alarms that tell a person, and one dashboard."""

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.settings import Settings
from pileus.worker.metrics import HOPS

if TYPE_CHECKING:
    from infra.core import Core
    from infra.queue import FedQueue

NAMESPACE = "Pileus"
"""Namespace of the metrics that workers write; see pileus/worker/metrics.py."""
FIVE = Duration.minutes(5)


def measured(settings: Settings, name: str, statistic: str, **dimensions: str) -> cloudwatch.Metric:
    """Return a metric of the workers of this stack."""
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        statistic=statistic,
        period=FIVE,
        dimensions_map={"Stack": settings.stack, **dimensions},
    )


class Alarms(Construct):
    """Every alarm publishes to `topic`; `settings.alarm_email` subscribes to it."""

    def __init__(self, scope: Construct, *, settings: Settings, core: "Core") -> None:
        super().__init__(scope, "Alarms")
        self._settings = settings
        self.topic = sns.Topic(self, "Topic", topic_name=f"{settings.stack}-alarms", enforce_ssl=True)
        if settings.alarm_email:
            self.topic.add_subscription(subscriptions.EmailSubscription(settings.alarm_email))
        for name, queue in (("Ingest", core.ingest), ("Backfill", core.backfill)):
            self._queue(name, queue)
        for name, task in core.tasks.items():
            if task.queue:
                self._queue(f"Task-{name}-", task.queue)
        self.alarm(
            "MessagesDead",
            core.messages.dead.metric_approximate_number_of_messages_visible(period=FIVE, statistic="Maximum"),
            1,
            "A message could not start its workflow, or its run has failed: `pileus dead-letters list` says why.",
        )
        self.alarm(
            "FailedPartitions",
            measured(settings, "PartitionsFailed", "Sum"),
            1,
            "A partition failed: `pileus status` says which and why.",
        )
        for name, machine in core.machines.items():
            self.alarm(f"{name}Failed", machine.metric_failed(period=FIVE), 1, "A workflow's execution failed.")
        self.alarm(
            "Disk",
            measured(settings, "ScratchFreeShare", "Minimum"),
            0.1,
            "A scratch volume is nearly full: groups wait. Raise volume_size.",
            below=True,
        )
        dashboard(self, settings, core)

    def _queue(self, name: str, queue: "FedQueue") -> None:
        self.alarm(
            f"{name}Dead",
            queue.dead.metric_approximate_number_of_messages_visible(period=FIVE, statistic="Maximum"),
            1,
            f"Workers died on a group: its message is in {queue.dead.queue_name}.",
        )
        self.alarm(
            f"{name}Age",
            queue.queue.metric_approximate_age_of_oldest_message(period=FIVE, statistic="Maximum"),
            self._settings.longest_wait,
            "A group has waited longer than the settings let expect: check that workers run, or raise max_workers.",
        )

    def alarm(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        description: str,
        *,
        below: bool = False,
        periods: int = 1,
    ) -> cloudwatch.Alarm:
        """Add one alarm that publishes to the topic."""
        return alarm(
            self, self._settings, self.topic, name, metric, threshold, description, below=below, periods=periods
        )


def alarm(
    scope: Construct,
    settings: Settings,
    topic: sns.ITopic,
    name: str,
    metric: cloudwatch.IMetric,
    threshold: float,
    description: str,
    *,
    below: bool = False,
    periods: int = 1,
) -> cloudwatch.Alarm:
    """Add one alarm that publishes to a topic, which may be of another stack."""
    operator = cloudwatch.ComparisonOperator
    made = cloudwatch.Alarm(
        scope,
        name,
        alarm_name=f"{settings.stack}-{name}",
        alarm_description=description,
        metric=metric,
        threshold=threshold,
        evaluation_periods=periods,
        comparison_operator=operator.LESS_THAN_THRESHOLD if below else operator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )
    made.add_alarm_action(actions.SnsAction(topic))
    return made


def dashboard(scope: Construct, settings: Settings, core: "Core") -> cloudwatch.Dashboard:
    """Return one page: what waits, what runs, bytes and seconds, and what fails."""
    queues = (core.ingest, core.backfill)
    made = cloudwatch.Dashboard(scope, "Dashboard", dashboard_name=settings.stack)
    made.add_widgets(
        _graph("Groups waiting", [q.queue.metric_approximate_number_of_messages_visible() for q in queues]),
        _graph("Running groups", [q.queue.metric_approximate_number_of_messages_not_visible() for q in queues]),
        _graph("Workers", [running_workers(settings, "Maximum")]),
    )
    made.add_widgets(
        _graph("Partitions", [measured(settings, f"Partitions{end}", "Sum") for end in ("Succeeded", "Failed")]),
        _graph("Bytes downloaded", [measured(settings, "BytesDownloaded", "Sum")]),
        _graph("Seconds by hop", [measured(settings, "Seconds", "Average", Hop=hop).with_(label=hop) for hop in HOPS]),
    )
    made.add_widgets(
        _graph("Scratch, free share", [measured(settings, "ScratchFreeShare", "Minimum")]),
        _graph("Dead letters", [q.dead.metric_approximate_number_of_messages_visible() for q in queues]),
        _graph("Age of the oldest group", [q.queue.metric_approximate_age_of_oldest_message() for q in queues]),
    )
    return made


def running_workers(settings: Settings, statistic: str) -> cloudwatch.Metric:
    """Return the number of running tasks, as Container Insights counts them."""
    return cloudwatch.Metric(
        namespace="ECS/ContainerInsights",
        metric_name="RunningTaskCount",
        statistic=statistic,
        period=FIVE,
        dimensions_map={"ClusterName": settings.stack, "ServiceName": f"{settings.stack}-workers"},
    )


def _graph(title: str, metrics: list[cloudwatch.Metric]) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=8, height=6)

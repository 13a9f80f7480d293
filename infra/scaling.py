"""The number of workers: it follows the length of the queues, and is 0 when they are empty."""

import math
from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from infra.settings import STEPS, Settings
from infra.shape import Shape

PERIOD = Duration.minutes(1)


def ladder(max_workers: int, groups_per_worker: int, steps: int = STEPS) -> list[tuple[int, int]]:
    """(Backlog from which, workers): the first step is at one group, the last is `max_workers`.

    With few workers each has a step of its own; with many the steps grow, as a policy has no more than `steps`.

    >>> ladder(3, 2)
    [(1, 1), (3, 2), (5, 3)]
    >>> len(ladder(100, 2)), ladder(100, 2)[-1][1]
    (20, 100)
    """
    if max_workers <= steps:
        workers = list(range(1, max_workers + 1))
    else:
        ratio = max_workers ** (1 / (steps - 1))
        workers = [1]
        for step in range(1, steps):
            workers.append(max(workers[-1] + 1, math.ceil(ratio**step - 1e-9)))
        workers[-1] = max_workers
    before = [0, *workers[:-1]]
    return [(count * groups_per_worker + 1, now) for count, now in zip(before, workers, strict=True)]


class Scaling(Construct):
    """Two policies that set the number of workers: one by steps while there are groups, one to 0."""

    def __init__(
        self, scope: Construct, *, settings: Settings, shape: Shape, service: ecs.CfnService, cluster: ecs.Cluster
    ) -> None:
        super().__init__(scope, "Scaling")
        self.backlog = backlog(shape)
        self.prefix = settings.stack if shape.name == "workers" else f"{settings.stack}-{shape.name}"
        self.target = scaling.CfnScalableTarget(
            self,
            "Target",
            service_namespace="ecs",
            scalable_dimension="ecs:service:DesiredCount",
            resource_id=f"service/{cluster.cluster_name}/{service.attr_name}",
            min_capacity=0,
            max_capacity=shape.max_workers,
        )
        rungs = ladder(shape.max_workers, shape.per_worker)
        self._policy("Work", _steps(rungs), threshold=1, minutes=1)
        self._policy("Idle", [_step(upper=0, workers=0)], threshold=0, minutes=settings.idle_minutes)

    def _policy(
        self,
        name: str,
        steps: Sequence[scaling.CfnScalingPolicy.StepAdjustmentProperty],
        *,
        threshold: int,
        minutes: int,
    ) -> None:
        policy = scaling.CfnScalingPolicy(
            self,
            name,
            policy_name=f"{self.prefix}-{name.lower()}",
            policy_type="StepScaling",
            scaling_target_id=self.target.ref,
            step_scaling_policy_configuration=scaling.CfnScalingPolicy.StepScalingPolicyConfigurationProperty(
                adjustment_type="ExactCapacity", cooldown=60, metric_aggregation_type="Maximum", step_adjustments=steps
            ),
        )
        working = name == "Work"
        alarm = cloudwatch.Alarm(
            self,
            f"{name}Alarm",
            alarm_name=f"{self.prefix}-scaling-{name.lower()}",
            alarm_description="Sets the number of workers; no call for action.",
            metric=self.backlog,
            threshold=threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
            if working
            else cloudwatch.ComparisonOperator.LESS_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=minutes,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING
            if working
            else cloudwatch.TreatMissingData.BREACHING,
        )
        alarm.node.default_child.add_property_override("AlarmActions", [policy.ref])  # type: ignore[union-attr]


def backlog(shape: Shape) -> cloudwatch.MathExpression:
    """Return the number of messages that wait or run on the queues of a service.

    Queues without traffic report nothing, which counts as 0.
    """
    metrics: dict[str, cloudwatch.IMetric] = {}
    for name, fed in shape.queues.items():
        queue = fed.queue
        metrics[f"{name}_waiting"] = queue.metric_approximate_number_of_messages_visible(
            period=PERIOD, statistic="Maximum"
        )
        metrics[f"{name}_running"] = queue.metric_approximate_number_of_messages_not_visible(
            period=PERIOD, statistic="Maximum"
        )
    return cloudwatch.MathExpression(
        expression=" + ".join(f"FILL({name}, 0)" for name in metrics),
        using_metrics=metrics,
        period=PERIOD,
        label="Groups waiting or under way",
    )


def _steps(rungs: Sequence[tuple[int, int]]) -> list[scaling.CfnScalingPolicy.StepAdjustmentProperty]:
    """Bounds are relative to the alarm's threshold, which is 1; the last step is open."""
    uppers = [start - 1 for start, _ in rungs[1:]]
    return [
        _step(lower=start - 1, upper=upper, workers=workers)
        for (start, workers), upper in zip(rungs, [*uppers, None], strict=True)
    ]


def _step(
    *, workers: int, lower: int | None = None, upper: int | None = None
) -> scaling.CfnScalingPolicy.StepAdjustmentProperty:
    return scaling.CfnScalingPolicy.StepAdjustmentProperty(
        metric_interval_lower_bound=lower, metric_interval_upper_bound=upper, scaling_adjustment=workers
    )

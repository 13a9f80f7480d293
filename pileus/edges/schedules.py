"""Schedules of EventBridge Scheduler: one for each scheduled rule, in the group that has the stack's name."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from pileus.edges.aws_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_scheduler import EventBridgeSchedulerClient


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to start what, and with which input."""

    name: str
    expression: str
    timezone: str
    enabled: bool
    target: str
    """ARN of a state machine."""
    input: Mapping[str, Any]


class Schedules(Protocol):
    """Raises StoreError when the scheduler refuses."""

    def all(self) -> dict[str, Schedule]:
        """Return the schedules by name."""

    def made(self, name: str) -> datetime:
        """Return when the schedule was made: a rate counts from there."""

    def put(self, schedule: Schedule, *, new: bool) -> None:
        """Create the schedule, or change the one of that name."""

    def delete(self, name: str) -> None:
        """Delete the schedule."""


class EventBridgeSchedules:
    """Schedules of one group. EventBridge starts their targets with `role`."""

    def __init__(self, client: "EventBridgeSchedulerClient", group: str, role: str) -> None:
        self._client = client
        self._group = group
        self._role = role

    def all(self) -> dict[str, Schedule]:
        with translated(self._group, "EventBridge Scheduler"):
            pages = self._client.get_paginator("list_schedules").paginate(GroupName=self._group)
            names = [item["Name"] for page in pages for item in page["Schedules"]]
            return {name: self._one(name) for name in names}

    def _one(self, name: str) -> Schedule:
        found = self._client.get_schedule(GroupName=self._group, Name=name)
        return Schedule(
            name,
            found["ScheduleExpression"],
            found.get("ScheduleExpressionTimezone", "UTC"),
            found["State"] == "ENABLED",
            found["Target"]["Arn"],
            json.loads(found["Target"].get("Input", "{}")),
        )

    def made(self, name: str) -> datetime:
        with translated(name, "EventBridge Scheduler"):
            return self._client.get_schedule(GroupName=self._group, Name=name)["CreationDate"]

    def put(self, schedule: Schedule, *, new: bool) -> None:
        call: Any = self._client.create_schedule if new else self._client.update_schedule
        with translated(schedule.name, "EventBridge Scheduler"):
            call(
                GroupName=self._group,
                Name=schedule.name,
                ScheduleExpression=schedule.expression,
                ScheduleExpressionTimezone=schedule.timezone,
                State="ENABLED" if schedule.enabled else "DISABLED",
                FlexibleTimeWindow={"Mode": "OFF"},
                Target={"Arn": schedule.target, "RoleArn": self._role, "Input": json.dumps(dict(schedule.input))},
            )

    def delete(self, name: str) -> None:
        with translated(name, "EventBridge Scheduler"):
            self._client.delete_schedule(GroupName=self._group, Name=name)

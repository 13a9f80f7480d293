"""Schedules of EventBridge Scheduler: one for each scheduled rule, in the group that has the stack's name."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from pileus.edges.aws_errors import translated
from pileus.errors import Conflict, StoreError

if TYPE_CHECKING:
    from mypy_boto3_scheduler import EventBridgeSchedulerClient


GONE = "ResourceNotFoundException"
"""AWS's word for a schedule that is not there."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to start what, and with which input."""

    name: str
    expression: str
    timezone: str
    enabled: bool
    target: str
    """ARN of a state machine, or of a queue."""
    input: Mapping[str, Any]


class Schedules(Protocol):
    """Raises StoreError when the scheduler refuses."""

    def all(self) -> dict[str, Schedule]:
        """Return the schedules by name."""

    def made(self, name: str) -> datetime:
        """Return when the schedule was made: a rate counts from there. Raises StoreError for an unknown name."""

    def put(self, schedule: Schedule, *, new: bool) -> None:
        """Create it, or change the one of that name. Raises StoreError when it is there already, or is not there."""

    def delete(self, name: str) -> None:
        """Remove it; that it is gone is no error."""


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
            return {name: found for name in names if (found := self._one(name))}

    def _one(self, name: str) -> Schedule | None:
        """Return the schedule; None for one that was deleted after it was listed."""
        try:
            found = self._client.get_schedule(GroupName=self._group, Name=name)
        except StoreError as exc:
            if exc.code != GONE:
                raise
            return None
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
        try:
            with translated(name, "EventBridge Scheduler"):
                self._client.delete_schedule(GroupName=self._group, Name=name)
        except StoreError as exc:
            if exc.code != GONE:
                raise


class KeptSchedules:
    """Schedules in a dictionary, which start nothing. For work with no AWS at all."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._kept: dict[str, tuple[Schedule, datetime]] = {}

    def all(self) -> dict[str, Schedule]:
        return {name: schedule for name, (schedule, _) in self._kept.items()}

    def made(self, name: str) -> datetime:
        if name not in self._kept:
            raise StoreError("there is no such schedule", where=name, code=GONE)
        return self._kept[name][1]

    def put(self, schedule: Schedule, *, new: bool) -> None:
        if new and schedule.name in self._kept:
            raise Conflict("there is a schedule of this name", where=schedule.name)
        self._kept[schedule.name] = (schedule, self._now() if new else self.made(schedule.name))

    def delete(self, name: str) -> None:
        self._kept.pop(name, None)

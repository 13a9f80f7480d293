"""Tasks of ECS that run somebody's image, once for each payload: what the stack has made for them, and the calls."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pileus.edges.aws_errors import translated
from pileus.errors import NotFound, StoreError, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient

VARIABLE = "PILEUS_CONTAINERS"
"""Environment variable of a worker whose task runs in containers of ECS: an EcsPlace as JSON."""
BRING, THEIRS, TAKE = "bring", "task", "take"
"""Containers of such a task: ours, which writes the payload; the image's; ours, which uploads the answer."""
RUNNING = frozenset(("RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"))
"""States of a task all of whose containers have started."""

NO_CAPACITY = "Capacity is unavailable"
"""How Fargate says that it has no room now."""


@dataclass(frozen=True, slots=True)
class EcsPlace:
    """Where the containers of one task run. The stack's infra makes it, and workers read it."""

    cluster: str
    family: str
    """Of the task definition; its newest revision is run."""
    provider: str
    """Capacity provider."""
    logs: str
    """Log group."""
    subnets: tuple[str, ...] = ()
    """On Fargate; empty on EC2."""
    groups: tuple[str, ...] = ()
    """Security groups on Fargate; empty on EC2."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "EcsPlace | None":
        """Return the place that a worker's environment names; None where its containers run on its own machine."""
        if VARIABLE not in environ:
            return None
        told = json.loads(environ[VARIABLE])
        return cls(**told | {name: tuple(told.get(name, ())) for name in ("subnets", "groups")})

    def to_json(self) -> dict[str, Any]:
        """Return what `from_env` reads, before it is written as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class EndedContainer:
    """What ECS tells of a container that has ended."""

    status: int | None = None
    """Exit status; None: it never started, or ECS does not know."""
    reason: str = ""
    """ECS's words; empty where it has none."""


@dataclass(frozen=True, slots=True)
class TaskState:
    """What ECS tells of a task."""

    status: str
    code: str = ""
    """`stopCode`."""
    reason: str = ""
    """`stoppedReason`."""
    containers: Mapping[str, EndedContainer] | None = None
    """By name."""

    @property
    def started(self) -> bool:
        return self.status in RUNNING

    @property
    def stopped(self) -> bool:
        return self.status == "STOPPED"

    def of(self, container: str) -> EndedContainer:
        return (self.containers or {}).get(container, EndedContainer())


class EcsTasks(Protocol):
    """Runs, looks at and stops tasks. Every method raises StoreError when AWS refuses, Unavailable for a while."""

    def start(self, told: Mapping[str, str], token: str) -> str:
        """Start a task, and return its ARN. `told`: more environment variables of our containers in it, and of no
        other; `token`: the same starts no second task.
        """

    def look(self, task: str) -> TaskState:
        """Return the state of a task."""

    def stop(self, task: str, why: str) -> None:
        """Stop a task, soon after. It is no error when it has ended."""

    def printed(self, task: str) -> bytes:
        """Return the last of what the image's container has printed, at most a MiB; what ECS has not delivered yet is
        missing.
        """


class AwsEcsTasks:
    """Tasks of ECS, as a stack's place says. `ecs`, `logs`: clients of boto3."""

    def __init__(self, ecs: "ECSClient", logs: Any, place: EcsPlace) -> None:
        self._ecs, self._logs, self._place = ecs, logs, place

    def start(self, told: Mapping[str, str], token: str) -> str:
        environment = [{"name": name, "value": value} for name, value in told.items()]
        wanted: dict[str, Any] = {
            "cluster": self._place.cluster,
            "taskDefinition": self._place.family,
            "capacityProviderStrategy": [{"capacityProvider": self._place.provider, "weight": 1}],
            "count": 1,
            "clientToken": token,
            "overrides": {"containerOverrides": [{"name": ours, "environment": environment} for ours in (BRING, TAKE)]},
        }
        if self._place.subnets:
            network = {
                "subnets": list(self._place.subnets),
                "securityGroups": list(self._place.groups),
                "assignPublicIp": "ENABLED",
            }
            wanted["networkConfiguration"] = {"awsvpcConfiguration": network}
        else:
            wanted["placementStrategy"] = [{"type": "binpack", "field": "memory"}]  # fewer instance-hours
        try:
            with translated(self._place.family, "ECS"):
                answer = self._ecs.run_task(**wanted)
        except StoreError as exc:
            if NO_CAPACITY in exc.message:
                raise Unavailable(exc.message, where=self._place.family) from exc
            raise
        if not answer["tasks"]:
            reasons = ", ".join(str(one.get("reason")) for one in answer.get("failures", ()))
            raise Unavailable(f"ECS has no room for it now: {reasons}", where=self._place.family)
        return answer["tasks"][0]["taskArn"]

    def look(self, task: str) -> TaskState:
        with translated(task, "ECS"):
            answer = self._ecs.describe_tasks(cluster=self._place.cluster, tasks=[task])
        if not answer["tasks"]:
            raise StoreError("ECS does not know this task any more", where=task)
        found: Any = answer["tasks"][0]
        containers = {
            one["name"]: EndedContainer(one.get("exitCode"), one.get("reason") or "") for one in found["containers"]
        }
        code, reason = found.get("stopCode") or "", found.get("stoppedReason") or ""
        return TaskState(found["lastStatus"], code, reason, containers)

    def stop(self, task: str, why: str) -> None:
        with translated(task, "ECS"):
            self._ecs.stop_task(cluster=self._place.cluster, task=task, reason=why)

    def printed(self, task: str) -> bytes:
        stream = f"{THEIRS}/{THEIRS}/{task.rpartition('/')[2]}"
        try:
            with translated(stream, "CloudWatch Logs"):
                page = self._logs.get_log_events(logGroupName=self._place.logs, logStreamName=stream)
        except (StoreError, NotFound) as exc:
            if getattr(exc, "code", None) == "ResourceNotFoundException":  # it has printed nothing
                return b""
            raise
        return "".join(f"{event['message']}\n" for event in page["events"]).encode()

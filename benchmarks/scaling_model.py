"""A backfill on the workers stack, without AWS: queue, scaling policies, launches, volumes and the provider's limit.

The numbers of the policies are read from the synthesized template, so that the picture is of what is deployed. Time
goes in steps of some seconds; group sizes are drawn from a seed. What is assumed of AWS stands in `Times`.
"""

import math
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Policy:
    """The scaling policies, as read from the template."""

    steps: tuple[tuple[float, float, int], ...]
    """Backlog from (inclusive), to (exclusive), workers."""
    idle_minutes: int
    max_workers: int
    max_instances: int
    volume: float
    """Bytes of scratch that the workers of one instance share."""

    @property
    def per_instance(self) -> int:
        return math.ceil(self.max_workers / self.max_instances)

    def workers(self, backlog: float) -> int:
        """Return how many workers the policy asks for."""
        return next((count for low, high, count in self.steps if low <= backlog < high), 0)


def policy_of(template: Mapping[str, Any]) -> Policy:
    """Return the policies of the workers stack's template. Raises KeyError for one without EC2 capacity."""
    made: dict[str, list[Any]] = {}
    for resource in template["Resources"].values():
        made.setdefault(resource["Type"], []).append(resource["Properties"])
    policies = {one["PolicyName"].rpartition("-")[2]: one for one in made["AWS::ApplicationAutoScaling::ScalingPolicy"]}
    alarms = {one["AlarmName"].rpartition("-")[2]: one for one in made["AWS::CloudWatch::Alarm"]}
    threshold = alarms["work"]["Threshold"]
    steps = policies["work"]["StepScalingPolicyConfiguration"]["StepAdjustments"]
    (target,) = made["AWS::ApplicationAutoScaling::ScalableTarget"]
    (group,) = made["AWS::AutoScaling::AutoScalingGroup"]
    (launch,) = made["AWS::EC2::LaunchTemplate"]
    disks = [one["Ebs"]["VolumeSize"] for one in launch["LaunchTemplateData"]["BlockDeviceMappings"]]
    return Policy(
        tuple(
            (
                one["MetricIntervalLowerBound"] + threshold,
                one.get("MetricIntervalUpperBound", math.inf) + threshold,
                one["ScalingAdjustment"],
            )
            for one in steps
        ),
        alarms["idle"]["EvaluationPeriods"],
        target["MaxCapacity"],
        int(group["MaxSize"]),
        disks[-1] * 1e9,
    )


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds that AWS takes."""

    metric: int = 120
    """Seconds from a change of the queue to its alarm."""
    launch: int = 180
    """Seconds from the request for an instance until it is in the cluster."""
    start: int = 45
    """Seconds to start a container on it."""
    keep: int = 900
    """Seconds that an empty instance is kept."""


@dataclass(frozen=True, slots=True)
class Load:
    """The work to do."""

    groups: int
    at_once: int
    """Groups that the workflows let into the queue at the same time."""
    sizes: tuple[float, float]
    """Least and most bytes of a group."""
    unpack: float
    """Bytes on the volume per byte downloaded."""
    connections: int
    """Connections that the provider allows."""
    connection_rate: float
    """Bytes a second of one connection."""
    per_worker: int
    """Connections that a worker asks for."""
    seconds_per_byte: float
    """Of the work after the download."""
    seed: int = 1


@dataclass
class Moment:
    """The state at one moment: one row of the picture."""

    seconds: int
    backlog: int
    desired: int
    workers: int
    instances: int
    connections: int
    disk: float
    """Bytes on the fullest volume."""


@dataclass
class Outcome:
    done: int = 0
    seconds: int = 0
    """Until the last group was done."""
    to_zero: int = 0
    """Until the last instance was gone."""
    instance_hours: float = 0
    peak_disk: float = 0
    peak_connections: int = 0
    peak_workers: int = 0
    waited_for_room: float = 0
    """Hours that workers with a group waited for room on their volume."""
    moments: list[Moment] = field(default_factory=list)


@dataclass
class _Worker:
    ready: int
    size: float = 0
    left: float = 0
    """Bytes to download."""
    work: float = 0
    """Seconds of work after that."""
    room: bool = False

    @property
    def busy(self) -> bool:
        return self.size > 0


@dataclass
class _Instance:
    ready: int
    workers: list[_Worker] = field(default_factory=list)
    empty_since: int = 0


def simulate(policy: Policy, load: Load, times: Times | None = None, *, step: int = 5, every: int = 600) -> Outcome:
    """Simulate until every group is done and every instance is gone. `every`: seconds between two moments that are
    kept.
    """
    return _Run(policy, load, times or Times(), step).go(every)


class _Run:
    def __init__(self, policy: Policy, load: Load, times: Times, step: int) -> None:
        self.policy, self.load, self.times, self.step = policy, load, times, step
        self.random = random.Random(load.seed)
        self.instances: list[_Instance] = []
        self.left = load.groups
        self.desired, self.now = 0, 0
        self.seen: deque[tuple[int, int]] = deque()
        self.idle_since: int | None = None
        self.outcome = Outcome()

    @property
    def workers(self) -> list[_Worker]:
        return [worker for instance in self.instances for worker in instance.workers]

    @property
    def backlog(self) -> int:
        return min(self.left, self.load.at_once)

    def go(self, every: int) -> Outcome:
        while self.left or self.instances or self.now == 0:
            if self.now % 60 == 0:
                self._scale()
            self._place()
            self._take()
            connections = self._download()
            self._finish()
            self._count(connections, every)
            self.now += self.step
        self.outcome.to_zero = self.now
        return self.outcome

    def _scale(self) -> None:
        """Apply the alarms, which see the queue of a moment ago."""
        self.seen.append((self.now, self.backlog))
        while len(self.seen) > 1 and self.seen[1][0] <= self.now - self.times.metric:
            self.seen.popleft()
        then, backlog = self.seen[0]
        if then > self.now - self.times.metric:
            return
        if backlog:
            self.desired, self.idle_since = self.policy.workers(backlog), None
            return
        self.idle_since = self.now if self.idle_since is None else self.idle_since
        if self.now - self.idle_since >= (self.policy.idle_minutes - 1) * 60:
            self.desired = 0

    def _place(self) -> None:
        """Place tasks on instances, and start instances for tasks. Surplus idle tasks end; busy ones are protected."""
        room = self.policy.per_instance
        for _ in range(len(self.workers) - self.desired):
            for instance in self.instances:
                idle = next((worker for worker in instance.workers if not worker.busy), None)
                if idle:
                    instance.workers.remove(idle)
                    break
        for instance in self.instances:
            while len(self.workers) < self.desired and len(instance.workers) < room and instance.ready <= self.now:
                instance.workers.append(_Worker(self.now + self.times.start))
            if instance.workers:
                instance.empty_since = self.now
        wanted = min(math.ceil(self.desired / room), self.policy.max_instances)
        while len(self.instances) < wanted:
            ready = self.now + self.times.launch
            self.instances.append(_Instance(ready, empty_since=ready))
        self.instances = [one for one in self.instances if self.now - one.empty_since <= self.times.keep]

    def _take(self) -> None:
        waiting = self.backlog - sum(worker.busy for worker in self.workers)
        for instance in self.instances:
            for worker in instance.workers:
                if not worker.busy and waiting > 0 and worker.ready <= self.now:
                    worker.size = worker.left = self.random.uniform(*self.load.sizes)
                    worker.work = worker.size * self.load.seconds_per_byte
                    worker.room = False
                    waiting -= 1
                if worker.busy and not worker.room:
                    worker.room = self._used(instance) + worker.size * self.load.unpack <= self.policy.volume
                    if not worker.room:
                        self.outcome.waited_for_room += self.step / 3600

    def _used(self, instance: _Instance) -> float:
        return sum(worker.size * self.load.unpack for worker in instance.workers if worker.room)

    def _download(self) -> int:
        """Divide the connections among the workers that download. Return how many are open."""
        loading = [worker for worker in self.workers if worker.room and worker.left > 0]
        given = share(self.load.connections, [self.load.per_worker] * len(loading))
        for worker, connections in zip(loading, given, strict=True):
            worker.left = max(0.0, worker.left - connections * self.load.connection_rate * self.step)
        return sum(given)

    def _finish(self) -> None:
        for worker in self.workers:
            if worker.busy and worker.room and worker.left == 0:
                worker.work -= self.step
                if worker.work <= 0:
                    worker.size, worker.room = 0, False
                    self.left -= 1
                    self.outcome.done += 1
                    self.outcome.seconds = self.now

    def _count(self, connections: int, every: int) -> None:
        out = self.outcome
        disk = max((self._used(instance) for instance in self.instances), default=0.0)
        out.instance_hours += len(self.instances) * self.step / 3600
        out.peak_disk = max(out.peak_disk, disk)
        out.peak_connections = max(out.peak_connections, connections)
        out.peak_workers = max(out.peak_workers, len(self.workers))
        if self.now % every == 0:
            running = len(self.workers)
            out.moments.append(
                Moment(self.now, self.backlog, self.desired, running, len(self.instances), connections, disk)
            )


def share(limit: int, wanted: Sequence[int]) -> list[int]:
    """Divide `limit` connections in turns, one at a time, among those that still want one.

    >>> share(10, [6, 6, 6]), share(10, [6]), share(2, [6, 6, 6])
    ([4, 3, 3], [6], [1, 1, 0])
    """
    given = [0] * len(wanted)
    while limit and given != list(wanted):
        for place, most in enumerate(wanted):
            if limit and given[place] < most:
                given[place] += 1
                limit -= 1
    return given

"""What a backfill costs on AWS, and how long it takes, from a dated table of prices.

The model, in words: workers download at the speed that was measured until the provider's connections are used up;
each then spends the measured seconds on its group: of what is measured while it arrives, those after the last byte.
Instances run for that time, plus what they take to start and the idle minutes before they are let go. Requests are
counted as the code makes them, rounded up.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from pileus.messages import FEW

HOURS = 730
"""Of a month."""
CONNECTIONS = 6
"""Of one worker, when nothing limits them."""
TRANSITIONS_OF_POINT = 6
"""StartWorkflow and its Map child; start, DiscoverGranules, AnyToDo and end of the point's own workflow."""
TRANSITIONS_OF_MAP = 1
"""The Map of a point that has several groups."""
TRANSITIONS_OF_GROUP = 1
"""The task that waits for the worker."""
TRANSITIONS_OF_CHILD = 2
"""Start and end of a group's own execution, where a point has more than FEW groups."""
DISCOVER = (5.0, 0.5)
"""Seconds of one listing, and the Lambda's gigabytes."""
OBJECTS = 9
"""Writes to S3 for one group: its fence; table, CSV and item, staged and published; its manifest; its point's list of
groups."""
OBJECT_READS = 2
"""Reads from S3: whether the zones are still there, and its share of the run's documents."""
CHANGES = 3
"""Writes to the index for one group, besides its heartbeats: queued, claimed, ended."""
LOOKS = 4
"""Reads of the index for one group, besides its heartbeats: of the backfill twice, the point's entries, a claim's."""
MESSAGES = 4
"""Requests to SQS for one group: sent, received, hidden, deleted. Quick groups share the last three."""
HEARD_SECONDS = 1.5
"""Seconds between two looks of a worker at the backfill of its group."""
STARTING = 240
"""Seconds until a new instance has a worker: alarm, launch, pull."""
ANCESTOR = (3, 150)
"""Always-on t2.xlarge instances of the pipeline that Pileus follows, and the gigabytes of each."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done."""

    points: int
    """Points in time."""
    groups: int
    group_bytes: float
    """Downloaded for one group."""
    bytes_per_second: float
    """Of one worker that has all the connections it wants."""
    seconds: float
    """Of one group, after its last byte has come."""
    output_bytes: float
    """Written for one group."""
    connections: int
    """That the provider lets in at once."""


@dataclass(frozen=True, slots=True)
class CostItem:
    """One item of the bill."""

    item: str
    quantity: float
    unit: str
    dollars: float


@dataclass(frozen=True, slots=True)
class Estimate:
    lines: tuple[CostItem, ...]
    minutes: float
    """From the first group to the last."""
    always_on_month: float
    """Dollars a month of three t2.xlarge with 150 GB each, which run whether they work or not."""
    prices: str
    """Date, region and source of the table."""

    @property
    def dollars(self) -> float:
        return sum(line.dollars for line in self.lines)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"dollars": self.dollars}


def minutes_of(work: Work, workers: int) -> float:
    """Time for all groups.

    Ten groups of 60 MB at 1 MB/s and 60 s each: one worker takes 20 minutes; two with six connections each 10;
    the provider's six connections for both make their downloads take turns.

    >>> ten = Work(10, 10, 60e6, 1e6, 60, 0, connections=12)
    >>> minutes_of(ten, 1), minutes_of(ten, 2), minutes_of(Work(10, 10, 60e6, 1e6, 60, 0, connections=3), 1)
    (20.0, 10.0, 30.0)
    """
    download = work.group_bytes / work.bytes_per_second
    most = work.connections / CONNECTIONS  # workers that download at full speed at once
    by_provider = work.groups * download / most
    by_workers = work.groups * (download / min(1.0, most) + work.seconds) / min(workers, max(work.groups, 1))
    return max(by_provider, by_workers) / 60


def estimate(work: Work, settings: Any, prices: Mapping[str, Any], *, days: int = 30) -> Estimate:
    """Return the bill of one backfill with the results kept for `days`. `settings`: the project's own."""
    minutes = minutes_of(work, settings.max_workers)
    hours = (minutes * 60 + STARTING) / 3600 + settings.idle_minutes / 60
    lines = [
        *_requests(work, settings, prices, minutes),
        *_machines(settings, prices, hours if work.groups else 0),
        *_storage(work, prices, days),
    ]
    count, gigabytes = ANCESTOR
    month = count * (prices["ec2"]["t2.xlarge_hour"] * HOURS + gigabytes * prices["ebs"]["gp2_gigabyte_month"])
    return Estimate(tuple(lines), minutes, month, told(prices))


@dataclass(frozen=True, slots=True)
class GroupPrice:
    """What a group costs, but for the start and the idle time of machines, the listing, and keeping the results."""

    second: float
    """Dollars of one second of one worker, all workers at work."""
    requests: float
    """Dollars of the requests of one group."""


def group_price(work: Work, settings: Any, prices: Mapping[str, Any]) -> GroupPrice:
    """Return the price of one group by the same model as `estimate`."""
    machines = sum(line.dollars for line in _machines(settings, prices, hours=1))
    with_it, without = (
        sum(line.dollars for line in _requests(replace(work, points=0, groups=groups), settings, prices, 0))
        for groups in (1, 0)
    )
    return GroupPrice(machines / settings.max_workers / 3600, with_it - without)


def told(prices: Mapping[str, Any]) -> str:
    """Return the date, the region and the source of a table of prices, as one line."""
    return f"{prices['date']}, {prices['region']}: {prices['source']}"


def _requests(work: Work, settings: Any, prices: Mapping[str, Any], minutes: float) -> list[CostItem]:
    seconds, gigabytes = DISCOVER
    calls = work.points + 2
    lambda_ = prices["lambda"]
    compute = calls * seconds * gigabytes
    transitions = 6 + _transitions(work)
    beats = _beats(work, settings)
    messages = work.groups * MESSAGES + beats + settings.max_workers * (minutes + settings.idle_minutes) * 60 * 2
    writes = work.groups * CHANGES + beats
    reads = work.groups * (LOOKS + _busy(work) / HEARD_SECONDS)
    return [
        CostItem("Lambda", calls, "calls", calls * lambda_["request"]),
        CostItem("Lambda", compute, "GB seconds", compute * lambda_["gigabyte_second"][settings.architecture]),
        CostItem("Step Functions", transitions, "transitions", transitions * prices["step_functions"]["transition"]),
        CostItem("SQS", messages, "requests", messages * prices["sqs"]["request"]),
        CostItem("DynamoDB", writes, "writes", writes * prices["dynamodb"]["write"]),
        CostItem("DynamoDB", reads, "reads", reads * prices["dynamodb"]["read"]),
        CostItem("S3", work.groups * OBJECTS, "writes", work.groups * OBJECTS * prices["s3"]["put"]),
        CostItem("S3", work.groups * OBJECT_READS, "reads", work.groups * OBJECT_READS * prices["s3"]["get"]),
    ]


def _transitions(work: Work) -> float:
    """Return the transitions of all points and their groups, which are spread evenly.

    >>> ten = Work(10, 10, 0, 1, 0, 0, connections=1)
    >>> [_transitions(replace(ten, groups=groups)) for groups in (0, 10, 20, 300)]
    [60, 70, 90, 970]
    """
    each = work.groups / work.points if work.points else 1
    of_point = TRANSITIONS_OF_POINT + (TRANSITIONS_OF_MAP if each > 1 else 0)
    of_group = TRANSITIONS_OF_GROUP + (TRANSITIONS_OF_CHILD if each > FEW else 0)
    return work.points * of_point + work.groups * of_group


def _busy(work: Work) -> float:
    """Return the seconds for which a worker has a group."""
    return work.group_bytes / work.bytes_per_second + work.seconds


def _beats(work: Work, settings: Any) -> float:
    return float(math.ceil(_busy(work) / (settings.visibility_seconds / 3)) * work.groups)


def _machines(settings: Any, prices: Mapping[str, Any], hours: float) -> list[CostItem]:
    if settings.compute == "fargate":
        return [*_fargate(settings, prices["fargate"], hours), _address(settings.max_workers, prices, hours)]
    family, _, size = settings.instance.partition(".")
    ec2 = prices["ec2"]
    hourly = ec2["xlarge_hour"][family] * settings.max_vcpus / settings.max_instances / 4
    hourly *= ec2["spot_share"] if settings.spot else 1
    running = settings.max_instances * hours
    disk = running * (settings.volume_size + 30)
    name = f"EC2 {family}.{size}{' spot' if settings.spot else ''}"
    return [
        CostItem(name, running, "instance hours", running * hourly),
        CostItem("EBS gp3", disk / HOURS, "GB months", disk / HOURS * prices["ebs"]["gp3_gigabyte_month"]),
        _address(settings.max_instances, prices, hours),
    ]


def _fargate(settings: Any, prices: Mapping[str, Any], hours: float) -> list[CostItem]:
    share = prices["spot_share"] if settings.spot else 1
    tasks = settings.max_workers * hours
    cpu, memory = tasks * settings.worker_cpu / 1024, tasks * settings.worker_memory / 1024
    disk = tasks * max(0, settings.volume_size - prices["free_storage"])
    kind = settings.architecture
    return [
        CostItem("Fargate", cpu, "vCPU hours", cpu * prices["vcpu_hour"][kind] * share),
        CostItem("Fargate", memory, "GB hours", memory * prices["gigabyte_hour"][kind] * share),
        CostItem("Fargate", disk, "GB hours of disk", disk * prices["storage_gigabyte_hour"]),
    ]


def _address(count: int, prices: Mapping[str, Any], hours: float) -> CostItem:
    return CostItem("public IPv4", count * hours, "address hours", count * hours * prices["ipv4_hour"])


def _storage(work: Work, prices: Mapping[str, Any], days: int) -> list[CostItem]:
    kept = work.groups * work.output_bytes / 1e9 * days / 30
    arrived = work.groups * work.group_bytes / 1e9
    return [
        CostItem("S3", kept, "GB months", kept * prices["s3"]["gigabyte_month"]),
        CostItem("transfer in", arrived, "GB", arrived * prices["transfer_in_gigabyte"]),
    ]

"""Answers about where the time of a backfill went."""

from dataclasses import asdict
from typing import Annotated

from pydantic import ConfigDict, Field

from pileus.backfills.timing import WhereTimeWent
from pileus.client import examples
from pileus.client.answers import Answer
from pileus.models import State
from pileus.timing import Hop

Seconds = Annotated[float, Field(description="Seconds.")]


class StepAnswer(Answer):
    """One step of one partition."""

    start: Annotated[float, Field(description="Seconds after a worker took it; below 0: before.")]
    seconds: Annotated[float, Field(description="Time in which at least one thread was in it.")]
    span: Annotated[float, Field(description="Seconds from its first beginning to its last end.")]
    bytes: int = 0

    @classmethod
    def of(cls, hop: Hop) -> "StepAnswer":
        """Return the answer about a step."""
        return cls(start=hop.start, seconds=hop.seconds, span=round(hop.end - hop.start, 3), bytes=hop.bytes)


class StepTotalAnswer(Answer):
    """One step over all partitions that have it."""

    name: str
    about: Annotated[str, Field(description="What it is, in a few words.")]
    partitions: int
    seconds: Annotated[float, Field(description="Of all partitions. A listing counts once for all groups of a point.")]
    median: Seconds
    p95: Seconds
    most: Seconds
    share: Annotated[
        float | None,
        Field(description="Of the workers' time, 0 to 1; null: before a worker had it. Steps overlap."),
    ]
    bytes: int


class TimedPartitionAnswer(Answer):
    """One partition and its steps."""

    period: str
    group: str
    state: State
    began: Annotated[float, Field(description="Unix time: when a worker took it.")]
    at: Annotated[float, Field(description="Seconds from the first moment of the backfill, idle time left out.")]
    seconds: Annotated[float, Field(description="For which a worker had it.")]
    steps: dict[str, StepAnswer]


class MomentsAnswer(Answer):
    """How many partitions were in each step, one span of time after the other."""

    seconds: Annotated[float, Field(description="Length of each span.")]
    steps: Annotated[dict[str, list[float]], Field(description="By step, mean number of partitions in it.")]


class TimingAnswer(Answer):
    """Where the time of a backfill went."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.TIMING]})

    id: str
    partitions: Annotated[int, Field(description="Of which the times are known.")]
    unknown: Annotated[int, Field(description="Ended, without times: older records do not have them.")]
    began: Annotated[float | None, Field(description="Unix time of the first moment; null: nothing is known.")]
    seconds: Annotated[float, Field(description="From the first moment to the last, idle time left out.")]
    idle: Annotated[float, Field(description="Seconds that are left out.")]
    worked: Annotated[float, Field(description="Seconds of workers, of all partitions.")]
    other: Annotated[float, Field(description="Of these, seconds in none of the steps.")]
    steps: Annotated[list[StepTotalAnswer], Field(description="In the order of the data.")]
    slowest: list[TimedPartitionAnswer]
    moments: MomentsAnswer

    @classmethod
    def of(cls, id: str, found: WhereTimeWent) -> "TimingAnswer":
        """Return the answer about a backfill."""
        slowest = [
            TimedPartitionAnswer(
                **{name: getattr(one, name) for name in ("period", "group", "state", "began", "at", "seconds")},
                steps={name: StepAnswer.of(hop) for name, hop in one.hops.items()},
            )
            for one in found.slowest
        ]
        facts = {name: getattr(found, name) for name in cls.model_fields if name in WhereTimeWent.__slots__}
        steps = [StepTotalAnswer(**asdict(hop)) for hop in found.hops]
        numbers = {name: list(values) for name, values in found.moments.hops.items()}
        moments = MomentsAnswer(seconds=found.moments.seconds, steps=numbers)
        return cls(id=id, **facts | {"steps": steps, "slowest": slowest, "moments": moments})

"""What travels between Lambdas, queues and workers: frozen types, each with its inverse.

Their JSON is an event of a Cumulus task: `{"config": {...}, "input": ...}`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pileus.documents import Collection, Provider, parse_value
from pileus.errors import UsageError
from pileus.lifecycle.backfill import run_name
from pileus.lifecycle.partition import Entry
from pileus.models import Group, Partition, State
from pileus.periods import parse_period
from pileus.point_collections import PointCollections
from pileus.subject import Request
from pileus.typed import check_types

FEW = 20
"""Most groups of a point that the workflow runs itself; for more it starts a child execution for each."""
INLINE = 100_000
"""Bytes of a group's task that travel in its message; a larger one goes through S3."""


def part(event: Any, *path: str) -> Any:
    """Return what an event has at a path of names. Raises UsageError where it has nothing there.

    >>> part({"config": {"run": 1}}, "config", "run")
    1
    >>> part({"config": []}, "config", "run")
    Traceback (most recent call last):
    pileus.errors.UsageError: not an event of this task: it has no config.run
    """
    found = event
    for name in path:
        if not isinstance(found, Mapping) or name not in found:
            raise UsageError(f"not an event of this task: it has no {'.'.join(path)}")
        found = found[name]
    return found


def text(event: Any, *path: str) -> str:
    """Return the text that an event has at a path of names. Raises UsageError where it has none there."""
    found = part(event, *path)
    if not isinstance(found, str):
        raise UsageError(f"not an event of this task: {'.'.join(path)} is no text")
    return found


def number(event: Any, name: str) -> int:
    """Return the number that an event has under a name. Raises UsageError where it has none there."""
    found = part(event, name)
    if not isinstance(found, int):
        raise UsageError(f"not an event of this task: {name} is no number")
    return found


def text_or_none(event: Any, name: str) -> str | None:
    """Do as `text`; None where there is nothing."""
    return text(event, name) if isinstance(event, Mapping) and event.get(name) is not None else None


@dataclass(frozen=True, slots=True)
class PointTask:
    """One point in time of a run, for DiscoverGranules."""

    backfill: str
    run: int
    template: str
    """Name of the template."""
    period: str
    """ISO 8601."""
    collection: Mapping[str, Any] = field(default_factory=dict)
    """The concrete collection's document; empty where `documents` is given."""
    provider: Mapping[str, Any] = field(default_factory=dict)
    """The provider's document; empty where `documents` is given."""
    documents: str = ""
    """Where the documents of all points of the run are: `RunDocuments`."""
    name: str = ""
    """Of the concrete collection, for a person who looks at the points."""
    own_folder: bool = False
    """Whether the folder is of this point alone, so that a file there that no regex matches is a mistake."""
    rank: int = 0
    """Its place in the order of the run."""
    groups: tuple[str, ...] = ()
    """Keys of the groups that the run is limited to; empty: all."""
    owed: Mapping[str, str] = field(default_factory=dict)
    """Its groups for which the earlier run of the backfill came to no success, and the state of each."""

    @property
    def run_name(self) -> str:
        return run_name(self.backfill, self.run)

    def to_json(self) -> dict[str, Any]:
        return {name: value for name in self.__slots__ if (value := getattr(self, name)) not in ("", {}, False, ())}

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> "PointTask":
        """Raises UsageError for a value that `to_json` did not write."""
        try:
            given: dict[str, Any] = {name: config[name] for name in cls.__slots__ if name in config}
            if isinstance(given.get("groups"), list):
                given["groups"] = tuple(given["groups"])
            found = cls(**given)
            check_types(found)
            return found
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise UsageError(f"not the config of a point in time: {exc}") from exc


@dataclass(frozen=True, slots=True)
class RunDocuments:
    """What all points in time of a run have in common, once: an object beside its points."""

    template: Collection
    provider: Provider
    points: PointCollections = field(init=False, repr=False, compare=False)
    """Makes the concrete collections."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", PointCollections(self.template))

    def collections_of(self, period: str) -> dict[str, Collection]:
        """Return the concrete collections of a point in time, given in ISO 8601, by id. Raises DocumentError."""
        return self.points.of(parse_period(period))

    def to_bytes(self) -> bytes:
        return json.dumps({"template": self.template.to_json(), "provider": self.provider.revealed()}).encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> "RunDocuments":
        """Raises ValueError and DocumentError for anything else."""
        value = json.loads(body)
        template = parse_value(Collection, value["template"], "template")
        return cls(template, parse_value(Provider, value["provider"], "provider"))


@dataclass(frozen=True, slots=True)
class GroupTask:
    """One group of a run, for a worker."""

    backfill: str
    run: int
    entry: Entry
    """The partition as the run wants it queued, or as it was queued."""
    collection: Mapping[str, Any]
    """The concrete collection's document; empty where the task was left in S3."""
    provider: Mapping[str, Any]
    group: Group
    """Empty where the task was left in S3."""
    again: bool = False
    """Whether it is run though it is up to date: the user asked for all."""
    url: str | None = None
    """Where the whole task is, when it is too large for a message."""
    rank: int = 0
    """Place of its point in the order of the run."""

    @property
    def partition(self) -> Partition:
        return self.entry.partition

    @property
    def run_name(self) -> str:
        return run_name(self.backfill, self.run)

    @property
    def name(self) -> str:
        """A name of its inputs: which files, of which versions."""
        return self.entry.fingerprint or self.partition.key

    @property
    def kind(self) -> str:
        """A name of what its files are: the collection, and what the documents say of it."""
        return f"{self.partition.collection} {self.partition.version} {'.'.join(self.name.split('.')[2:])}"

    def documents(self) -> tuple[Collection, Provider]:
        """Its collection and provider. Raises DocumentError."""
        collection = parse_value(Collection, self.collection, self.partition.key)
        return collection, parse_value(Provider, self.provider, "provider")

    def left_at(self, url: str) -> "GroupTask":
        """The same task without what is large: the whole one is at `url`."""
        return replace(self, collection={}, provider={}, group=Group("", ()), url=url)

    def to_json(self) -> dict[str, Any]:
        config: dict[str, Any] = {"backfill": self.backfill, "run": self.run, "entry": self.entry.to_json()}
        config |= {"partition": self.partition.key, "again": self.again, "rank": self.rank}  # the key is for people
        if self.url is not None:
            return {"config": config, "input": {"url": self.url}}
        config |= {"collection": dict(self.collection), "provider": dict(self.provider)}
        return {"config": config, "input": self.group.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "GroupTask":
        """Raises UsageError for anything else. A task that a person wrote may leave `entry` out."""
        try:
            config, given = value["config"], value["input"]
            left = set(given) == {"url"}
            found = cls(
                config["backfill"],
                config["run"],
                Entry.from_json(config["entry"]) if "entry" in config else _written(config),
                {} if left else config.get("collection", {}),
                {} if left else config.get("provider", {}),
                Group("", ()) if left else Group.from_json(given),
                config.get("again", False),
                given["url"] if left else None,
                config.get("rank", 0),
            )
            check_types(found)
            return found
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise UsageError(f"not the task of a group: {type(exc).__name__} {exc}") from exc

    def to_bytes(self) -> bytes:
        return json.dumps(self.to_json()).encode()


def _written(config: Mapping[str, Any]) -> Entry:
    run = run_name(config["backfill"], config["run"])
    return Entry(Partition.parse(config["partition"]), State.queued, run, fingerprint=config.get("fingerprint"))


@dataclass(frozen=True, slots=True)
class RequestTask:
    """One run of a request, for a worker."""

    subject: Request
    run: int
    url: str
    """Address of its input document."""

    @property
    def run_name(self) -> str:
        return run_name(self.subject.key, self.run)

    @staticmethod
    def is_one(value: object) -> bool:
        """Return whether a task is of a request, and not of a group."""
        config = value.get("config") if isinstance(value, Mapping) else None
        return isinstance(config, Mapping) and "subject" in config

    def to_json(self) -> dict[str, Any]:
        return {"config": {"subject": self.subject.key, "run": self.run}, "input": {"url": self.url}}

    @classmethod
    def from_json(cls, value: Any) -> "RequestTask":
        """Raises UsageError for anything else."""
        subject = Request.parse(text(value, "config", "subject"))
        return cls(subject, number(part(value, "config"), "run"), text(value, "input", "url"))


@dataclass(frozen=True, slots=True)
class PartTask:
    """Some operations of one run of a graph, for a worker."""

    subject: Request
    run: int
    round: int
    """Place in the plan, from 0."""
    part: int
    """Place in the round, from 0."""
    url: str
    """Address of the plan."""

    @property
    def run_name(self) -> str:
        return run_name(self.subject.key, self.run)

    @staticmethod
    def is_one(value: object) -> bool:
        """Return whether a task is of a part of a graph."""
        return RequestTask.is_one(value) and "part" in value["config"]  # type: ignore[index]  # is_one looked at it

    def to_json(self) -> dict[str, Any]:
        config = {"subject": self.subject.key, "run": self.run, "round": self.round, "part": self.part}
        return {"config": config, "input": {"url": self.url}}

    @classmethod
    def from_json(cls, value: Any) -> "PartTask":
        """Raises UsageError for anything else."""
        config = part(value, "config")
        run, round, place = (number(config, name) for name in ("run", "round", "part"))
        return cls(Request.parse(text(value, "config", "subject")), run, round, place, text(value, "input", "url"))


@dataclass(frozen=True, slots=True)
class Done:
    """What a worker answers for a group, or for a run of a request."""

    manifest: str
    """Address; of a request, that of its result document."""
    downloaded: int = 0
    """Bytes."""
    seconds: float = 0.0
    hops: Mapping[str, float] | None = None
    """Seconds by hop."""

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) is not None}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Done":
        return cls(**value)

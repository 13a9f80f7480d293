"""What a run is about. Of one subject at most one run is alive at a time, whoever starts it.

    kind        scope                   item                key
    partition   viirs/001/2015          2015-01/20150101    viirs/001/2015-01/20150101
    request     request:PROCESS         ID                  request:PROCESS/ID
    workflow    workflow:WORKFLOW       ID                  workflow:WORKFLOW/ID
    payload     payload:COLLS_WORKFLOW  ITEMIDS             payload:COLLS/workflow-WORKFLOW/ITEMIDS

The index keeps every subject under (scope, item). No key of a partition begins with a kind and a colon, because `safe`
encodes the colon.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

from pileus.errors import DocumentError, UsageError
from pileus.models import Partition

PROCESS_ID = re.compile(r"[a-z][a-z0-9-]{0,29}")
"""Id of a process. No underscore: `pileus.runs.executions` puts some between it and the id of a request."""
WORKFLOW_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")


class Subject(Protocol):
    """What a run is about. Two subjects are the same when their keys are."""

    @property
    def kind(self) -> str:
        """`partition`, `request`, `workflow` or `payload`."""
        ...

    @property
    def scope(self) -> str:
        """What is listed together: the hash key of the index."""
        ...

    @property
    def item(self) -> str:
        """Its place within the scope: the range key of the index."""
        ...

    @property
    def key(self) -> str:
        """Unique among all kinds, and path-safe; `parse_subject` is the inverse."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class Asked:
    """What somebody asked for by itself, outside every backfill. `key` and `parse` are inverses. Raises UsageError for
    another name or id than is allowed.
    """

    kind: ClassVar[str]
    form: ClassVar[re.Pattern[str]]
    """That every `name` of the kind has."""
    expected: ClassVar[str]
    """The same in words."""
    name: str
    """Of what is run."""
    id: str
    """Up to 40 letters, digits, `_` and `-`."""

    def __post_init__(self) -> None:
        if not self.form.fullmatch(self.name):
            raise UsageError(f"{self.name[:80]!r} is the name of none: expected {self.expected}")
        if not REQUEST_ID.fullmatch(self.id):
            raise UsageError(f"{self.id[:80]!r} cannot name a run: expected up to 40 letters, digits, - and _")

    @property
    def scope(self) -> str:
        return f"{self.kind}:{self.name}"

    @property
    def item(self) -> str:
        return self.id

    @property
    def key(self) -> str:
        """As the index and commands name it.

        >>> Request("zonal-statistics", "mine").key, Execution("SyncGranules", "mine").key
        ('request:zonal-statistics/mine', 'workflow:SyncGranules/mine')
        """
        return f"{self.scope}/{self.id}"

    @classmethod
    def parse(cls, key: str) -> Self:
        """Raises UsageError for anything that `key` does not write."""
        name, slash, id = key.removeprefix(f"{cls.kind}:").partition("/")
        if not (key.startswith(f"{cls.kind}:") and slash):
            raise UsageError(f"{key[:200]!r} is not a {cls.kind}: expected {cls.kind}:NAME/ID")
        return cls(name, id)


class Request(Asked):
    """One request to a process. A worker does it."""

    __slots__ = ()
    kind = "request"
    form = PROCESS_ID
    expected = "up to 30 of a-z, 0-9 and -"


class Execution(Asked):
    """One document that a workflow of the stack is carried out over. The execution itself has the run."""

    __slots__ = ()
    kind = "workflow"
    form = WORKFLOW_NAME
    expected = "up to 80 letters, digits, - and _"


class PayloadId(Asked):
    """A payload of Cirrus, by its id: of which items it is, and by which workflow it is carried out. The execution
    itself has the run. `str` is the id.

    `name` is the hash key of Cirrus's table, `COLLECTIONS_WORKFLOW`, and `id` its range key: the ids of the items,
    sorted and joined by slashes.
    """

    __slots__ = ()
    kind = "payload"
    form = re.compile(r".+_[^_/]+")
    expected = "{collections}_{workflow}"

    def __post_init__(self) -> None:
        text = str(self)
        if not self.form.fullmatch(self.name) or _PAYLOAD.fullmatch(text) is None or "/workflow-" in self.collections:
            raise DocumentError(f"id {text[:200]!r}: {PAYLOAD}, where neither of the first two holds /workflow-")
        if not text.isprintable():
            raise DocumentError(f"id {text[:200]!r}: holds a character that cannot be printed")
        if {".", "..", ""} & set(text.split("/")):
            raise DocumentError(f"id {text[:200]!r}: has an empty part, or one of a dot or two, between slashes")
        if (size := len(text.encode())) > LONGEST_PAYLOAD:
            raise DocumentError(f"id {text[:60]!r}...: has {size:,} bytes, and {LONGEST_PAYLOAD} are the most")

    def __str__(self) -> str:
        return f"{self.collections}/workflow-{self.workflow}/{self.id}"

    @property
    def collections(self) -> str:
        """Names of collections, joined by slashes; `none` where no item has one."""
        return self.name.rpartition("_")[0]

    @property
    def workflow(self) -> str:
        """No workflow of Cirrus has an underscore."""
        return self.name.rpartition("_")[2]

    @property
    def key(self) -> str:
        """As the index and commands name it.

        >>> PayloadId.of("viirs/workflow-publish/a/b").key
        'payload:viirs/workflow-publish/a/b'
        """
        return f"{self.kind}:{self}"

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the payload of an id. Raises DocumentError for anything that is none.

        >>> PayloadId.of("viirs/modis/workflow-publish/a/b")
        PayloadId(name='viirs/modis_publish', id='a/b')
        """
        found = _PAYLOAD.fullmatch(text)
        if found is None:
            raise DocumentError(f"id {text[:200]!r}: {PAYLOAD}")
        return cls(f"{found['collections']}_{found['workflow']}", found["itemids"])

    @classmethod
    def parse(cls, key: str) -> Self:
        return cls.of(key.removeprefix(f"{cls.kind}:"))


PAYLOAD = "expected {collections}/workflow-{workflow}/{itemids}"
LONGEST_PAYLOAD = 900
"""Bytes of an id in UTF-8: with its folder, the execution's name and `output.json` it is a key of S3, of 1024."""
_PAYLOAD = re.compile(r"(?P<collections>.+?)/workflow-(?P<workflow>[^/]+)/(?P<itemids>.+)")
"""The first `/workflow-` counts, so that the parts of an id name it and no other."""
KINDS: dict[str, type[Request] | type[Execution] | type[PayloadId]] = {
    one.kind: one for one in (Request, Execution, PayloadId)
}


def parse_subject(key: str) -> Subject:
    """Return the subject of a key. Raises UsageError for anything that no subject's `key` writes.

    >>> parse_subject("request:zonal-statistics/mine")
    Request(name='zonal-statistics', id='mine')
    >>> parse_subject("viirs/001/2015-01/20150101").kind
    'partition'
    """
    kind, colon, _ = key.partition(":")
    return KINDS[kind].parse(key) if colon and kind in KINDS else Partition.parse(key)


def asks(scope: str) -> bool:
    """Return whether a scope is of what was asked for by itself, and not of partitions.

    >>> asks("workflow:SyncGranules"), asks("viirs/001/2015")
    (True, False)
    """
    kind, colon, _ = scope.partition(":")
    return bool(colon) and kind in KINDS


def key_of(scope: str, item: str) -> str:
    """Return the key of the subject that the index keeps under a scope and an item.

    >>> key_of("viirs/001/2015", "2015-01/20150101"), key_of("request:zonal-statistics", "mine")
    ('viirs/001/2015-01/20150101', 'request:zonal-statistics/mine')
    >>> key_of("payload:black_marble_publish", "a/b")
    'payload:black_marble/workflow-publish/a/b'
    """
    kind, _, name = scope.partition(":")
    if kind == PayloadId.kind:
        return PayloadId(name, item).key
    return f"{scope}/{item}" if asks(scope) else f"{scope.rpartition('/')[0]}/{item}"

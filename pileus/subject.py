"""What a run is about. Of one subject at most one run is alive at a time, whoever starts it.

    kind        scope                   item                key
    partition   viirs/001/2015          2015-01/20150101    viirs/001/2015-01/20150101
    request     request:PROCESS         ID                  request:PROCESS/ID

The index keeps every subject under (scope, item). No key of a partition begins with `request:`, because `safe` encodes
the colon.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Protocol

from pileus.errors import UsageError
from pileus.models import Partition

REQUEST = "request:"
"""What the key and the scope of a request begin with."""
PROCESS_ID = re.compile(r"[a-z][a-z0-9-]{0,29}")
"""Id of a process. No underscore: `pileus.runs.executions` puts some between it and the id of a request."""
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")


class Subject(Protocol):
    """What a run is about. Two subjects are the same when their keys are."""

    @property
    def kind(self) -> str:
        """`partition` or `request`."""
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
class Request:
    """One request to a process. `key` and `parse` are inverses. Raises UsageError for another id than is allowed."""

    kind: ClassVar[str] = "request"
    process: str
    """Id of the process: up to 30 small letters, digits and `-`."""
    id: str
    """Up to 40 letters, digits, `_` and `-`."""

    def __post_init__(self) -> None:
        if not PROCESS_ID.fullmatch(self.process):
            raise UsageError(f"{self.process[:80]!r} is the id of no process: expected up to 30 of a-z, 0-9 and -")
        if not REQUEST_ID.fullmatch(self.id):
            raise UsageError(f"{self.id[:80]!r} cannot name a run: expected up to 40 letters, digits, - and _")

    @property
    def scope(self) -> str:
        return f"{REQUEST}{self.process}"

    @property
    def item(self) -> str:
        return self.id

    @property
    def key(self) -> str:
        """As the index and commands name it.

        >>> Request("zonal-statistics", "mine").key
        'request:zonal-statistics/mine'
        """
        return f"{REQUEST}{self.process}/{self.id}"

    @classmethod
    def parse(cls, key: str) -> "Request":
        """Raises UsageError for anything that `key` does not write."""
        process, slash, id = key.removeprefix(REQUEST).partition("/")
        if not (key.startswith(REQUEST) and slash):
            raise UsageError(f"{key[:200]!r} is not a request: expected {REQUEST}PROCESS/ID")
        return cls(process, id)


def parse_subject(key: str) -> Subject:
    """Return the subject of a key. Raises UsageError for anything that no subject's `key` writes.

    >>> parse_subject("request:zonal-statistics/mine")
    Request(process='zonal-statistics', id='mine')
    >>> parse_subject("viirs/001/2015-01/20150101").kind
    'partition'
    """
    return Request.parse(key) if key.startswith(REQUEST) else Partition.parse(key)


def key_of(scope: str, item: str) -> str:
    """Return the key of the subject that the index keeps under a scope and an item.

    >>> key_of("viirs/001/2015", "2015-01/20150101"), key_of("request:zonal-statistics", "mine")
    ('viirs/001/2015-01/20150101', 'request:zonal-statistics/mine')
    """
    return f"{scope}/{item}" if scope.startswith(REQUEST) else f"{scope.rpartition('/')[0]}/{item}"

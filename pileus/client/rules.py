"""What may be said of a question beside its subject, by name: the same for whoever answers it. Nothing is required."""

from typing import TypedDict

from pileus.lifecycle.backfill import Order, Select


class SpanRules(TypedDict, total=False):
    """Which points in time of a collection, and which of its partitions."""

    version: str | None
    """Of the collection; None: the highest."""
    first: str | None
    """First point in time; None: the template's own."""
    last: str | None
    """Last one, included; None: the template's own."""
    points: tuple[str, ...]
    """These alone, in place of a span: each a point in time, or the two ends of a span as `201503/201505`."""
    select: Select
    """`needed` if not given."""
    order: Order
    """`oldest` if not given."""
    provider: str | None
    """Id of the provider that has the files; None: the collection's."""


class BackfillRules(SpanRules, total=False):
    """Which backfill, and how it goes on."""

    id: str | None
    """None: one is made."""
    max_running: int | None
    """Most groups that run at once."""
    max_failures: int | None
    """It stops when more partitions than this have failed."""
    report_failures: bool
    """Whether the topic is told of each failed partition."""
    workflow: str | None
    """In place of the collection's."""
    command: str
    """What led to it, for people."""


class BetweenRules(TypedDict, total=False):
    """Which rows of a collection, by time and band."""

    band: str | None
    first: str | None
    """First point in time; None: the first that there is."""
    last: str | None
    """Last one, included."""


class RowRules(BetweenRules, total=False):
    """Which rows of a collection."""

    zones: tuple[str, ...]
    """By id or name; empty: all."""
    version: str | None
    """None: every version."""


class SeriesRules(BetweenRules, total=False):
    """Which values of a zone."""

    stat: str | None
    """None: the mean, where there is one."""

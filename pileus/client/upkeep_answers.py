"""Answers about what keeps a stack in order."""

from typing import Annotated, Literal

from pydantic import Field

from pileus.client.answers import Answer

FindingKind = Literal[
    "lost", "missing", "corrupt", "rows", "unrecorded", "orphan", "unfinished", "undone", "stale", "unlisted", "spoilt",
    "zones",
]  # fmt: skip


class FindingAnswer(Answer):
    """One difference between provider, objects, index and rows."""

    kind: FindingKind
    partition: str
    detail: str


class Reconciled(Answer):
    """What was compared, what differs, and what was begun to repair it."""

    partitions: int
    objects: int
    findings: list[FindingAnswer]
    backfill: Annotated[str | None, Field(description="Id of the backfill that repairs; null: none.")] = None


class DeadLetterAnswer(Answer):
    """A message that no worker could deal with."""

    id: str
    queue: str
    sent: str
    backfill: str | None
    partition: str | None
    key: Annotated[str | None, Field(description="Of the partition or request that it is about.")]
    why: str | None

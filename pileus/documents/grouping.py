"""How files become groups, and what a group becomes where it is not for workers: a payload of Cirrus."""

from typing import Any, Self

from pydantic import Field, model_validator

from pileus.documents.base import Document
from pileus.errors import DocumentError, UsageError

PIPELINE, PAYLOADS = "DiscoverAndProcessGranules", "DiscoverAndProcessPayloads"
"""What a point in time is handed to by default, and where its groups become payloads."""


class Grouping(Document):
    """`meta.group`: which named groups of the file regex make the group key, and what completes a group."""

    by: tuple[str, ...] = ()
    """Named groups of the file regex whose values make the key of a group. Empty: all files of a point in time are one
    group. Example: `["start"]`."""
    each: str | None = None
    """Named group that tells the members of a group apart. Without it: members are not told apart. Example:
    `"tile"`."""
    expect: tuple[str, ...] = ()
    """Values of `each` that complete a group; a group that lacks one waits. Empty: whatever is listed is complete.
    Example: `["75N180W", "75N060W"]`."""
    newest: str | None = None
    """Named group that holds a creation stamp. Of files that are alike in all other parts the newest counts. Without
    it: different files that are alike in all parts are duplicates, and their group fails. Example: `"created"`."""

    @model_validator(mode="after")
    def _expect_needs_each(self) -> Self:
        if self.expect and not self.each:
            raise ValueError("expect needs each, the named group that takes the expected values")
        return self


class GroupPayload(Document):
    """`meta.payload`: what is done with each group as a payload of Cirrus, whose features are its STAC items."""

    process: tuple[dict[str, Any] | list[dict[str, Any]], ...] = Field(min_length=1)
    """Process definitions, as Cirrus has them. The `workflow` of the first may be left out: it is the collection's.
    Example: `[{"workflow": "publish", "upload_options": {"path_template": "s3://results/${collection}/${id}"}}]`."""


def processes_of(payload: GroupPayload | None, workflow: str) -> list[Any]:
    """Return the processes of a payload; empty where there is none. `workflow`: that of the collection.

    >>> processes_of(GroupPayload(process=[{"tasks": {}}, {"workflow": "map"}]), "publish")
    [{'workflow': 'publish', 'tasks': {}}, {'workflow': 'map'}]
    """
    if payload is None:
        return []
    first, *rest = payload.process
    named = {} if workflow == PIPELINE else {"workflow": workflow}
    return [named | first if isinstance(first, dict) else first, *rest]


def check_processes(payload: GroupPayload | None, workflow: str) -> None:
    """Raise ValueError for processes that no payload can have, or a first workflow that is not the collection's."""
    found = processes_of(payload, workflow)
    if not found:
        return
    named = found[0].get("workflow") if isinstance(found[0], dict) else None
    if named and workflow not in (PIPELINE, named):
        raise ValueError(f"workflow: {workflow}, and that of meta.payload.process[0] is {named}: leave one out")
    from pileus.cirrus.payload import read_payload

    try:
        read_payload({"id": "any/workflow-any/one", "process": found})
    except (DocumentError, UsageError) as exc:
        raise ValueError(f"meta.payload.{exc.message}") from exc

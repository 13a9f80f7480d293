"""The Cumulus message that a workflow gets when it is started: the one form of all that start one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pileus.documents import Collection, Provider


@dataclass(frozen=True, slots=True)
class Place:
    """What of the stack a Cumulus message names."""

    stack: str
    internal: str
    """Bucket; the system bucket."""
    buckets: Mapping[str, Mapping[str, str]]
    """Name and type of each bucket by its key."""
    workflow: str
    state_machine: str
    """ARN."""
    execution: str
    """Name of the execution."""
    queue: str
    """URL of the queue that the work goes to."""


def cumulus_message(
    place: Place,
    collection: Collection | None,
    provider: Provider | None,
    payload: Mapping[str, Any],
    *,
    meta: Mapping[str, Any],
    told: Mapping[str, Any],
    cumulus_meta: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the message. All of it comes from the arguments, so the same arguments make the same message.

    `meta`: of the user's own, which the message's parts stand above; `told` stands above both. `cumulus_meta`: added to
    what `place` says. Secrets of the provider are masked.
    """
    return {
        "cumulus_meta": {
            "execution_name": place.execution,
            "state_machine": place.state_machine,
            "queueUrl": place.queue,
            "system_bucket": place.internal,
            **cumulus_meta,
        },
        "meta": {
            **meta,
            "workflow_name": place.workflow,
            "stack": place.stack,
            "buckets": {key: dict(one) for key, one in place.buckets.items()},
            "collection": collection.to_json() if collection else {},
            "provider": provider.model_dump(mode="json", exclude_defaults=True) if provider else {},
            **told,
        },
        "payload": dict(payload),
        "exception": "None",
    }

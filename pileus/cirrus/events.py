"""Events about payloads: what subscribers are told when the state of one changes, in Cirrus's words and form."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pileus.subject import PayloadId

Name = Literal[
    "CLAIMED_PROCESSING",
    "STARTED_PROCESSING",
    "ALREADY_INVALID",
    "ALREADY_PROCESSING",
    "ALREADY_CLAIMED",
    "ALREADY_SUCCEEDED",
    "FAILED",
    "TIMED_OUT",
    "SUCCEEDED",
    "INVALID",
    "ABORTED",
    "RECORD_EXTRACT_FAILED",
    "NOT_A_PROCESS_PAYLOAD",
]
LONGEST = 1000
"""Characters of an error that are told."""


def event_of(
    name: Name,
    payload: PayloadId | None,
    time: float,
    *,
    input: str | None = None,
    output: str | None = None,
    execution: str | None = None,
    error: str | None = None,
) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Return the message of an event, and the attributes by which subscribers filter.

    `payload`: None where its id cannot be told. `time`: Unix time. `input`, `output`: addresses. `execution`: ARN.

    >>> event_of("ABORTED", PayloadId.of("viirs/workflow-publish/a"), 0)[1]
    {'event_type': 'ABORTED', 'workflow': 'publish', 'collections': 'viirs'}
    """
    told: dict[str, Any] = {
        "event_type": name,
        "payload_id": str(payload) if payload else "unknown",
        "isotimestamp": datetime.fromtimestamp(time, UTC).isoformat(),
        "input_payload_url": input,
        "output_payload_url": output,
        "error": error[:LONGEST] if error else None,
        "execution": page_of(execution) if execution else None,
    }
    attributes: dict[str, str] = {"event_type": name}
    if payload:
        attributes |= {"workflow": payload.workflow, "collections": payload.collections}
    if error:
        attributes["error"] = error[:LONGEST]
    return {key: value for key, value in told.items() if value is not None}, attributes


def page_of(execution: str) -> str:
    """Return the address of the page of an execution (ARN) in the console of AWS; its last part is the ARN."""
    region = execution.split(":")[3]
    head = f"https://{region}.console.aws.amazon.com/states/home?region={region}#/v2/executions/details/"
    return f"{head}{execution}"

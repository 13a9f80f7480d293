"""The failure that an error of a workflow tells of."""

from collections.abc import Mapping
from typing import Any

from pileus.errors import UsageError
from pileus.lifecycle.partition import Failure
from pileus.strict_json import parse_json


def explain(error: Any) -> Failure:
    """Return the failure that a workflow's Catch received: its type, message and place.

    A Lambda's error has a JSON cause with `errorMessage`. A child execution's has its own error inside. A worker's is
    the JSON that the worker answered.
    """
    if not isinstance(error, Mapping):
        raise UsageError(f"not the error of a workflow: {str(error)[:60]!r}")
    kind, cause = error.get("Error", "Unknown"), error.get("Cause", "")
    for _ in range(4):
        try:
            value = parse_json(cause)
        except (TypeError, ValueError):
            break
        if not isinstance(value, dict):
            break
        kind = value.get("errorType") or value.get("Error") or kind
        cause = value.get("errorMessage") or value.get("Cause") or value.get("message") or ""
        if "where" in value:
            where = value["where"]
            return Failure(str(kind), str(cause), None if where is None else str(where))
    if kind in ("States.Timeout", "States.HeartbeatTimeout"):
        return Failure(kind, "no worker answered in time", None)
    return Failure(str(kind), str(cause) or "no cause was given", None)

"""Limits of AWS that an embedded engine forgives, enforced here with AWS's own errors.

The numbers are those of AWS's pages of quotas: a state's input and output, a message, an item, a history.
"""

import json
from typing import Any

from pileus.errors import StoreError
from spec.simulation.executions import Failed

PAYLOAD = 256 * 1024
"""Bytes of an execution's input, of a state's result, and of a message."""
HISTORY = 25_000
"""Events of one execution."""
ITEM = 400 * 1024
"""Bytes of an item of DynamoDB."""
IN_FLIGHT = 120_000
"""Messages of one queue that are received and not deleted."""
EVENTS = {"Task": 5, "Map": 4, "Choice": 2, "Succeed": 2, "Fail": 2, "Pass": 2}
"""Events that a state writes: it is entered and exited; a task is scheduled, started, ended; a Map begins, ends."""
ITERATION = 2
"""Events of an item of an inline Map, beside its states."""


def fits(text: str, what: str) -> str:
    """Return a payload. Raises Failed, as Step Functions does, when it is too long."""
    if len(text) > PAYLOAD:
        raise Failed("States.DataLimitExceeded", f"{what} has {len(text):,} bytes: {PAYLOAD:,} are the most")
    return text


def written(history: list[int], events: int) -> None:
    """Count events of an execution. Raises Failed, as Step Functions ends it, when there are too many."""
    history[0] += events
    if history[0] > HISTORY:
        raise Failed("States.Runtime", f"the execution has more than {HISTORY:,} events")


def item_fits(value: Any, where: str) -> None:
    """Raise StoreError, as DynamoDB does, for an item that is too large."""
    if (size := len(json.dumps(value))) > ITEM:
        raise StoreError(f"the item has {size:,} bytes: {ITEM:,} are the most", where=where, code="ValidationException")

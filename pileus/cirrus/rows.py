"""What Cirrus's own tools read of a payload: the attributes of its row, each derived from the entry."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pileus.cirrus.states import cirrus_state
from pileus.lifecycle.partition import Entry

STATES = ("CLAIMED", "PROCESSING", "SUCCEEDED", "FAILED", "INVALID", "ABORTED")
"""As Cirrus names them."""
BY_CHANGE, BY_STATE = "updated", "state_updated"
"""Attributes that payloads are sorted by, and the names of the table's indexes over them."""


def moment(seconds: float) -> str:
    """Return a moment (Unix time) as Cirrus writes it: later ones come later in the order of texts.

    >>> moment(1420070400)
    '2015-01-01T00:00:00.000000+00:00'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def places(entry: Entry) -> dict[str, str]:
    """Return the values that a payload is sorted by: its last change, and its state with that."""
    updated = moment(entry.updated)
    return {BY_CHANGE: updated, BY_STATE: f"{cirrus_state(entry)}_{updated}"}


def attributes(entry: Entry) -> Mapping[str, str]:
    """Return the texts of a payload's row, but for its keys and its executions.

    `created` is when the payload was first handed in, and `claimed_at` when its latest run began.
    """
    claimed = entry.extra.get("created", entry.updated)
    row = {"created": moment(entry.extra.get("first", claimed)), "claimed_at": moment(claimed), **places(entry)}
    if entry.failure:
        row["last_error"] = str(entry.failure)[:LONGEST_ERROR]
    return row


LONGEST_ERROR = 4000
"""Characters of an error: a row has 400 kB."""

"""rerun: payloads that were processed once more."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from pileus.cirrus.states import cirrus_state
from pileus.edges.store import Reader, load
from pileus.errors import UsageError
from pileus.near import unknown

if TYPE_CHECKING:
    from pileus.client.client import Client
    from pileus.runs import Run

STATES = ("FAILED", "ABORTED", "INVALID", "SUCCEEDED")
"""Those of payloads that have ended, as Cirrus names them."""
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def rerun(
    client: "Client",
    store: Reader,
    collections: str,
    workflow: str,
    state: list[str] | None = None,
    since: str | None = None,
    limit: int | None = None,
    error_begins_with: str | None = None,
    process_update: dict[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the latest payloads of a collection and a workflow, to be processed again.

    `collections`, `workflow`: the first two parts of their ids; `state`: only those in these states, without it FAILED
    ones; `since`: changed within, such as `90m`, `36h`, `7d`, or after a date in ISO 8601; `limit`: at most so many;
    `error_begins_with`: the beginning of `TYPE: MESSAGE` of the failure; `process_update`: put over each payload's
    first process, object into object.
    """
    states = [one.upper() for one in state or ["FAILED"]]
    for one in states:
        if one not in STATES:
            raise UsageError(unknown("state", one, STATES))
    earliest = moment_of(since, datetime.now(UTC)) if since else None
    found = client.runs.all(f"payload:{collections}_{workflow}")
    chosen = (run for run in found if _is_chosen(run, states, earliest, error_begins_with or ""))
    for run in islice(chosen, limit):
        if process_update is None:
            yield {"url": run.input}
        else:
            yield _updated(load(store, run.input, json.loads), process_update)


def _is_chosen(run: "Run", states: list[str], earliest: datetime | None, error: str) -> bool:
    if cirrus_state(run) not in states or not str(run.failure or "").startswith(error):
        return False
    return earliest is None or datetime.fromisoformat(run.updated) >= earliest


def _updated(payload: dict[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    process = payload["process"]
    first, *rest = process if isinstance(process, list) else [process]
    return payload | {"process": [merged(first, update), *rest]}


def merged(value: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with another put over it: objects are merged, all else is replaced.

    >>> merged({"tasks": {"mask": {"a": 1}}, "replace": False}, {"tasks": {"mask": {"b": 2}}})
    {'tasks': {'mask': {'a': 1, 'b': 2}}, 'replace': False}
    """
    found = dict(value)
    for name, new in update.items():
        old = found.get(name)
        found[name] = merged(old, new) if isinstance(old, Mapping) and isinstance(new, Mapping) else new
    return found


def moment_of(text: str, now: datetime) -> datetime:
    """Return the moment of a length of time before now, or of a date in UTC. Raises UsageError.

    >>> moment_of("36h", datetime(2015, 1, 2, 12, tzinfo=UTC)).isoformat()
    '2015-01-01T00:00:00+00:00'
    """
    number, unit = text[:-1], text[-1:]
    if number.isascii() and number.isdecimal() and unit in UNITS:
        return now - timedelta(**{UNITS[unit]: int(number)})
    try:
        found = datetime.fromisoformat(text)
    except ValueError as exc:
        raise UsageError(f"since: {text[:60]!r}: expected a length such as 36h or 7d, or a date in ISO 8601") from exc
    return found if found.tzinfo else found.replace(tzinfo=UTC)

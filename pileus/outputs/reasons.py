"""Why a point in time has no rows, according to the index of partitions."""

from collections.abc import Collection, Iterable, Mapping

from pileus.lifecycle.partition import Entry
from pileus.models import State

UNKNOWN = "no rows: never processed"
LEFT_OUT = "no rows: left out by the options of the collection"
ANOTHER = "it was processed, without this zone and band"


def reasons(entries: Iterable[Entry]) -> Mapping[str, str]:
    """Return one line by period (ISO 8601) for the periods of which a partition did not succeed."""
    told: dict[str, list[str]] = {}
    for entry in entries:
        if entry.state is State.succeeded:
            continue
        why = str(entry.failure) if entry.failure else entry.reason
        told.setdefault(entry.partition.period, []).append(f"{entry.state}: {why}" if why else str(entry.state))
    return {period: "; ".join(lines) for period, lines in told.items()}


def explained(entries: Collection[Entry], periods: Iterable[str], left_out: Collection[str] = ()) -> Mapping[str, str]:
    """Return one line for each of the periods (ISO 8601), of which a zone and band has no rows.

    `left_out`: the periods that the template has no points for.
    """
    told = dict.fromkeys(left_out, LEFT_OUT)
    told |= {one.partition.period: ANOTHER for one in entries if one.state is State.succeeded} | dict(reasons(entries))
    return {period: told.get(period, UNKNOWN) for period in periods}

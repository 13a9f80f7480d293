"""Tell subscribers what has ended: runs, and failed partitions where their backfill asks for them.

Everything is told at least once. What is owed is written down before it is told: of a run in its backfill (`untold`),
of a partition by its entry, which says that it has failed and not `told`. Who tells it notes that afterwards; what
nobody noted is told again, with the same id.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import chain, islice

from pileus.backfills import record
from pileus.edges.reports import AT_ONCE
from pileus.errors import Conflict, Unavailable
from pileus.lifecycle import report
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.models import State
from pileus.wiring import Edges


def tell_run(edges: Edges, backfill: Backfill, counts: Mapping[str, int], *, now: str) -> None:
    """Tell what a run came to. `now`: ISO 8601. Raises StoreError."""
    edges.reports.tell([report.of_run(backfill, counts, now=now)])


def tell_failure(edges: Edges, entry: Entry) -> Entry:
    """Tell that a partition has failed, if its backfill asks for that. `entry`: as it is stored. Return it as it is
    then.

    While the topic cannot be reached the report stays owed, and the end of the run tells it. Raises StoreError for
    what does not pass.
    """
    backfill = edges.index.backfill(entry.backfill)
    if backfill is None or not backfill.report_failures:
        return entry
    with suppress(Unavailable):
        edges.reports.tell([report.of_failure(backfill, entry)])
        return replace(entry, told=True)
    return entry


def note_told(edges: Edges, entry: Entry) -> None:
    """Note in the index that a failure was told. Where another run has the partition by now, the note is lost."""
    with suppress(Conflict):
        edges.index.put(entry)


def tell_owed(edges: Edges, backfill: Backfill) -> None:
    """Tell the failures of the present run that nobody has noted as told. Raises StoreError.

    Partitions that never ran are not among them: the report of the run counts them.
    """
    if not backfill.report_failures:
        return
    owed = _owed(edges, backfill)
    while few := [report.of_failure(backfill, one) for one in islice(owed, AT_ONCE)]:
        edges.reports.tell(few)


def _owed(edges: Edges, backfill: Backfill) -> Iterator[Entry]:
    """Yield the failures of the present run that are not noted as told: of the index, and those written to S3."""
    place = (backfill.collection, backfill.version, backfill.first, backfill.last)
    for one in chain(edges.index.entries(*place), record.ends(edges, backfill)):
        if one.run == backfill.run_name and one.state is State.failed and not one.told:
            yield one

"""How long uploaded files are kept: each has a day for each time that somebody uploads it, or starts a request with it.

internal   runs/values/SHA256.nc             the file
internal   runs/values/days/DAY/SHA256       empty: on this day it was wanted
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from pileus.graphs.record import value_url
from pileus.stratus.request import StratusRequest
from pileus.stratus.uploaded import value_of
from pileus.wiring import Edges

KEPT_DAYS = 10
"""Days that a file is kept after it was wanted last."""


def want(edges: Edges, values: Iterable[str]) -> None:
    """Note that files are wanted today. `values`: their SHA-256."""
    for sha256 in values:
        edges.store.put(f"{_days(edges)}{_day(edges)}/{sha256}", b"")


def values_of(request: StratusRequest) -> set[str]:
    """Return the SHA-256 of each uploaded file that a request reads."""
    return {sha256 for one in request.inputs.values() if (sha256 := value_of(one.uri))}


def sweep(edges: Edges) -> None:
    """Delete the files that nobody has wanted for ten days."""
    first, head = _day(edges, KEPT_DAYS), _days(edges)
    old = list[str]()
    for url, _ in edges.store.list(head):  # the days come in order
        if url.removeprefix(head) >= first:
            break
        old.append(url)
    if old:
        wanted = {url.rpartition("/")[2] for url, _ in edges.store.list(head, after=f"{head}{first}")}
        gone = {url.rpartition("/")[2] for url in old} - wanted
        edges.store.delete(*(value_url(edges, sha256) for sha256 in sorted(gone)))
        edges.store.delete(*old)  # last: until then it can be repeated


def _days(edges: Edges) -> str:
    return edges.internal("runs/values/days/")


def _day(edges: Edges, before: int = 0) -> str:
    return (datetime.fromtimestamp(edges.now(), UTC) - timedelta(days=before)).date().isoformat()

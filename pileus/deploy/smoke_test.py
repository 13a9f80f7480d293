"""The smoke test of a deployed stack: one synthetic month goes through all of it, and nothing of it stays.

The month's archives, its zones and its documents lie with its backfill, `backfills/ID/` in the bucket `internal`, which
is also its provider (protocol s3). So no populated document is read or written, and no server of ours is needed.
"""

import json
import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pileus.backfills.control import new_backfill, settle, start
from pileus.backfills.remove import remove
from pileus.backfills.status import Status, status
from pileus.documents import Collection, Provider, parse_value
from pileus.edges.store import delete_all
from pileus.edges.workflows import Workflows
from pileus.lifecycle.backfill import Backfill
from pileus.outputs.read import read_stats
from pileus.product import product_folder, product_module
from pileus.project.registry import Registry, key_of
from pileus.wiring import Edges

NAME = "smoke-test"
"""What the ids of its backfills begin with; its collections have the same names."""
MONTH = "201501"
EXPECTED: Mapping[str, Mapping[str, float]] = {
    "seam": {"count": 16, "sum": 160, "mean": 10, "min": 10, "max": 10, "valid_share": 1},
    "haze": {"count": 0, "valid_share": 0},
    "half": {"count": 8, "sum": 8, "mean": 1, "min": 1, "max": 1, "valid_share": 0.5},
    "south": {"count": 95, "sum": 95, "mean": 1, "min": 1, "max": 1, "valid_share": 1},
}
"""Statistics of the month by zone; data/sample/make.py says why."""
PAUSE = 2.0
"""Seconds between two looks at the stack."""
TOLD = 30.0
"""Seconds after which the same state is told again."""
SETTLE_EVERY = 10
FORGOTTEN = timedelta(hours=6)
"""Age of a smoke test that its command no longer waits for: the command was killed."""
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a smoke test found."""

    backfill: str
    seconds: float
    problems: list[str] = field(default_factory=list)
    """One line each; empty when the stack works."""
    left: str = ""
    """What could not be removed, with its reason."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def smoke_test(edges: Edges, workflows: Workflows, *, seconds: float, tell: Tell) -> Verdict:
    """Run the month, wait for its end for `seconds` at most, compare its statistics, and remove all of it.

    It is removed too when the test fails, or when the command is interrupted. Raises StoreError when the stack cannot
    be reached.
    """
    for old in forgotten(edges):
        tell(f"smoke test: removing {old.id}, which was left over")
        remove(edges, workflows, old)
    began = time.monotonic()
    id = f"{NAME}-{datetime.fromtimestamp(edges.now(), UTC):%Y%m%dT%H%M%S}-{os.urandom(2).hex()}"
    indexes = _indexes(edges)
    backfill = _planned(edges, id)
    problems: list[str] = []
    left = ""
    with _interruptible():
        try:
            tell(f"smoke test: {id}: one month of six archives")
            _put_site(edges, backfill)
            start(edges, workflows, backfill)
            problems = _waited(edges, workflows, id, seconds, tell)
            problems = problems or compared(read_stats(edges.store, edges.stack.protected, id).to_pylist())
        finally:
            tell("smoke test: removing what it made")
            if not remove(edges, workflows, backfill):
                left = f"{id}: something still worked on it: what that writes later stays"
            delete_all(edges.store, _indexes(edges) - indexes)
    return Verdict(id, round(time.monotonic() - began, 1), problems, left)


def forgotten(edges: Edges) -> list[Backfill]:
    """Return the smoke tests whose command was killed before it removed them."""
    before = (datetime.fromtimestamp(edges.now(), UTC) - FORGOTTEN).isoformat()
    found = edges.index.backfills()
    return [one for one in found if one.documents and one.id.startswith(f"{NAME}-") and one.started < before]


def documents(edges: Edges, id: str) -> Registry:
    """Return the documents of a smoke test: the sample's collection under a name of its own, and its provider."""
    here = edges.internal(f"backfills/{id}/sample")
    value = json.loads((product_folder() / "collections/viirs_sample.json").read_text())
    value["meta"]["process"] |= {"zones": f"{here}/zones.geojson", "classic_csv": False}
    value |= {"name": id, "templated_name": f"{id}_{{{{pointInTime}}}}", "provider": id}
    value["options"] |= {"spanStart": MONTH, "spanEnd": MONTH}
    collection = parse_value(Collection, {key: item for key, item in value.items() if key != "$schema"}, NAME)
    provider = parse_value(Provider, {"id": id, "protocol": "s3", "host": here}, NAME)
    return Registry({key_of(collection): collection}, {id: provider})


def compared(rows: list[dict[str, Any]]) -> list[str]:
    """Return a line for every number that is not the one known."""
    found = {row["zone"]: row for row in rows}
    if set(found) != set(EXPECTED):
        return [f"expected the zones {', '.join(sorted(EXPECTED))}, found {', '.join(sorted(found)) or 'none'}"]
    return [
        f"{zone}: {name} is {found[zone].get(name)}, expected {number:g}"
        for zone, numbers in EXPECTED.items()
        for name, number in numbers.items()
        if not _equal(found[zone].get(name), number)
    ]


def _equal(found: Any, expected: float) -> bool:
    return isinstance(found, int | float) and math.isclose(found, expected, rel_tol=1e-6, abs_tol=1e-9)


def _planned(edges: Edges, id: str) -> Backfill:
    planned = new_backfill(documents(edges, id), id, id=id, queue="ingest", now=edges.now(), started_by="smoke test")
    return replace(planned, documents=edges.internal(f"backfills/{id}/registry.json"))


def _put_site(edges: Edges, backfill: Backfill) -> None:
    """Write the month's archives, the zones and the documents."""
    edges.store.put(backfill.documents, documents(edges, backfill.id).to_json(), "application/json")
    with TemporaryDirectory(prefix="pileus-smoke-test-") as made:
        site = Path(made)
        product_module("data/sample/make.py").make(site)
        for path in (site / "zones.geojson", *sorted(site.glob(f"viirs/{MONTH}/**/*.tgz"))):
            key = f"backfills/{backfill.id}/sample/{path.relative_to(site).as_posix()}"
            edges.store.put(edges.internal(key), path.read_bytes())


def _indexes(edges: Edges) -> set[str]:
    """Return the compiled zones. One that another backfill made meanwhile is removed with ours, and compiled again."""
    return {url for url, _ in edges.store.list(edges.internal("indexes/"))}


def _waited(edges: Edges, workflows: Workflows, id: str, seconds: float, tell: Tell) -> list[str]:
    """Wait until the backfill is over. Return what is wrong with its end."""
    until = time.monotonic() + seconds
    said, said_at, looks = "", -math.inf, 0
    while True:
        found = status(edges, id)
        if found.backfill.over:
            return [] if found.backfill.state == "succeeded" else [_ended(found)]
        now, line = time.monotonic(), _line(found)
        if now > until:
            return [f"not done after {seconds:.0f} s: {_stuck(edges, found)}"]
        if line != said or now - said_at > TOLD:
            tell(f"smoke test: {line}")
            said, said_at = line, now
        looks += 1
        if looks % SETTLE_EVERY == 0:
            settle(edges, workflows, found.backfill)
        time.sleep(min(PAUSE, max(0.0, until - now)))


def _line(found: Status) -> str:
    states = ", ".join(sorted({str(one.state) for one in found.outcomes})) or "listing the month"
    return f"the group is {states}" if found.outcomes else states


def _ended(found: Status) -> str:
    why = [found.backfill.problem or "", *(one.why for one in found.outcomes)]
    said = "; ".join(filter(None, why)) or "no reason was recorded"
    where = f"Step Functions has its execution {found.backfill.execution}"
    return f"the backfill ended {found.backfill.state}: {said}; {where}"


def _stuck(edges: Edges, found: Status) -> str:
    """Return where it is stuck, and where to look."""
    states = {str(one.state) for one in found.outcomes}
    if states == {"queued"}:
        service = f"{edges.stack.stack}-workers"
        return f"no worker took the group; look at the events of the service {service} in ECS, and `pileus logs`"
    return f"{_line(found)}; Step Functions has its execution {found.backfill.execution}"


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt in the block, as Ctrl-C does, so that the block cleans up."""
    before = None
    with suppress(ValueError):  # another thread than the main one cannot have signals
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)

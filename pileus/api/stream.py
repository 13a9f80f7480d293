"""Server-sent events: what happens to backfills, as it happens."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

from fastapi.concurrency import run_in_threadpool

from pileus.api.snapshots import Snapshot, Snapshots
from pileus.backfills.events import changes
from pileus.backfills.status import Status

EVERY = 1.0
"""Seconds between two looks at shared statuses."""
ALIVE = 15.0
"""Seconds after which a comment shows that the stream lives."""
LONGEST = 600.0
"""Seconds after which a stream ends; browsers ask again."""
AGAIN = 3000
"""Milliseconds after which they do."""


def event(kind: str, value: object) -> str:
    """Return one event of a stream.

    >>> event("change", {"kind": "failed"})
    'event: change\\ndata: {"kind":"failed"}\\n\\n'
    """
    return f"event: {kind}\ndata: {json.dumps(value, separators=(',', ':'))}\n\n"


async def of_backfill(snapshots: Snapshots, id: str, *, streams: bool) -> AsyncIterator[str]:
    """Yield the summary of a backfill whenever it has changed, and each change of a partition.

    `streams`: whether answers may last; else it ends after the first look, and browsers ask again.
    """
    loop, sent = asyncio.get_running_loop(), ""
    before: Status | None = None
    began = told = loop.time()
    yield f"retry: {AGAIN}\n\n"
    while loop.time() - began < LONGEST:
        found = await current(snapshots, id)
        if found.status is not before:
            for one in changes(before, found.status) if before is not None else ():
                yield event("change", one.to_json())
            before = found.status
        if found.summary != sent:
            sent, told = found.summary, loop.time()
            yield f"event: status\ndata: {sent}\n\n"
        elif loop.time() - told >= ALIVE:
            told = loop.time()
            yield ": alive\n\n"
        if not streams:
            return
        await asyncio.sleep(EVERY)


async def of_all(list_ids: Callable[[], list[str]], snapshots: Snapshots, *, streams: bool) -> AsyncIterator[str]:
    """Yield the summary of each backfill whenever it has changed. `list_ids`: returns the newest backfills."""
    loop = asyncio.get_running_loop()
    sent: dict[str, str] = {}
    began = told = loop.time()
    yield f"retry: {AGAIN}\n\n"
    while loop.time() - began < LONGEST:
        for id in await run_in_threadpool(list_ids):
            summary = (await current(snapshots, id)).summary
            if sent.get(id) != summary:
                sent[id], told = summary, loop.time()
                yield f"event: status\ndata: {summary}\n\n"
        if loop.time() - told >= ALIVE:
            told = loop.time()
            yield ": alive\n\n"
        if not streams:
            return
        await asyncio.sleep(2 * EVERY)


async def current(snapshots: Snapshots, id: str) -> Snapshot:
    """Return a backfill as it is now, without a thread where none is needed. Raises Unknown."""
    found = snapshots.fresh(id)
    return found if found is not None else await run_in_threadpool(snapshots.get, id)

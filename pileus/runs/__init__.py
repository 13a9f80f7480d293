"""Runs: each is one carrying-out of a process, or of a workflow, over an input document. Every face calls them.

    start, start_workflow ──> find, list ──> result, rows
                                 │
                                 └─ stop, rerun, settle

`find`, `list` and `result` answer for the partitions of backfills too. A key names what a run is about: see
`pileus.subject`.
"""

from pileus.runs.control import rerun, settle, start, start_workflow, stop
from pileus.runs.events import RunEvent, events
from pileus.runs.read import Page, find, input_of, result, rows
from pileus.runs.read import list_runs as list
from pileus.runs.view import Run

__all__ = [
    "Page",
    "Run",
    "RunEvent",
    "events",
    "find",
    "input_of",
    "list",
    "rerun",
    "result",
    "rows",
    "settle",
    "start",
    "start_workflow",
    "stop",
]

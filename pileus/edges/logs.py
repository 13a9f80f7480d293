"""What workers wrote about a run: from the files of the embedded workers, or from CloudWatch Logs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from pileus.edges.aws_errors import translated
from pileus.lifecycle.backfill import backfill_of
from pileus.subject import parse_subject

Line = dict[str, Any]
"""`time`, `level`, `message` and the other fields of the line."""


class WorkerLogs(Protocol):
    """Raises StoreError when the logs cannot be read."""

    def lines(self, backfill: str, key: str) -> Iterator[Line]:
        """Yield the lines about the subject of this key in any run of the backfill, oldest first. What was asked for by
        itself is its own backfill.
        """


class FolderLogs:
    """The files worker-N.log of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def lines(self, backfill: str, key: str) -> Iterator[Line]:
        found, written = list[Line](), json.dumps(key)
        for path in sorted(self._folder.glob("worker-*.log")):
            with path.open(errors="replace") as file:
                found += [line for text in file if written in text and (line := _line(text))]
        mine = (line for line in found if _is_of(line, backfill, key))
        yield from sorted(mine, key=lambda line: str(line.get("time", "")))


class CloudWatchLogs:
    """The log group of the workers on AWS."""

    def __init__(self, client: Any, group: str) -> None:
        self._client = client
        self._group = group

    def lines(self, backfill: str, key: str) -> Iterator[Line]:
        pattern = f'{{ ($.{_kind(key)} = {json.dumps(key)}) && ($.run = "{backfill}/*") }}'
        pages = self._client.get_paginator("filter_log_events").paginate(
            logGroupName=self._group, filterPattern=pattern
        )
        with translated(self._group, "CloudWatch Logs"):
            for page in pages:
                for event in page["events"]:
                    line = _line(event["message"])
                    if line and _is_of(line, backfill, key):
                        yield line


def _kind(key: str) -> str:
    """Return the name of the field that holds a key."""
    return parse_subject(key).kind


def _is_of(line: Line, backfill: str, key: str) -> bool:
    return line.get(_kind(key)) == key and backfill_of(str(line.get("run", ""))) == backfill


def _line(text: str) -> Line | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None  # a library's warning, or a line that a kill cut short
    return value if isinstance(value, dict) else None

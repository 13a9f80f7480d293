"""Progress of downloads: in a terminal a bar for each file and one for all, elsewhere a line for each file."""

import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from pileus.cli import show


class Bars:
    """Shows progress that several threads report. A context manager: leaving it removes the bars."""

    def __init__(self, files: int, *, quiet: bool = False, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._quiet = quiet
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._here: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._files = files
        self._whole = 0
        self._started = time.monotonic()
        self._progress: Progress | None = None
        self._total: TaskID | None = None
        if self._console.is_terminal and not quiet:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._total = self._progress.add_task(f"total, {files} files", total=None)

    def __enter__(self) -> Self:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress:
            self._progress.stop()
        if not self._quiet and self._files > 1 and error is None:
            took = time.monotonic() - self._started
            whole = sum(self._here.values())
            files = f"{self._whole} of {self._files} files" if self._whole < self._files else f"{self._files} files"
            show.line(f"{files}, {show.size(whole)} in {took:.1f} s, {show.size(whole / max(took, 1e-3))}/s")

    def announce(self, name: str, size: int | None) -> None:
        """Note that a file of `size` bytes begins or continues."""
        if self._progress is None or size is None:
            return
        with self._lock:
            self._sizes[name] = size
            # Files that have not begun count with the mean size of those that have.
            mean = sum(self._sizes.values()) / len(self._sizes)
            self._progress.update(self._need_total(), total=sum(self._sizes.values()) + mean * self._unknown())
            self._progress.update(self._task(name), total=size)

    def advance(self, name: str, here: int) -> None:
        """Note that `here` bytes of a file have arrived."""
        with self._lock:
            self._here[name] = here
            if self._progress:
                self._progress.update(self._task(name), completed=here)
                self._progress.update(self._need_total(), completed=sum(self._here.values()))

    def end(self, name: str, size: int | None, *, failed: bool) -> None:
        """Note that a file is whole, or failed."""
        with self._lock:
            self._here[name] = size or 0
            self._whole += not failed
            if self._progress:
                if (task := self._tasks.pop(name, None)) is not None:
                    self._progress.remove_task(task)
            elif not self._quiet:
                # Not through rich, which would take longer than a small file itself.
                print(f"{name} failed" if failed else f"{name} {show.size(size or 0)}")

    def _unknown(self) -> int:
        return self._files - len(self._sizes)

    def _need_total(self) -> TaskID:
        assert self._total is not None
        return self._total

    def _task(self, name: str) -> TaskID:
        assert self._progress is not None
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=None)
        return self._tasks[name]

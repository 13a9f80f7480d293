"""The progress of `pileus stats`, and what a person may name."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pileus.cli import show


def is_url(text: str) -> bool:
    """Return whether a person names a URL and not a file."""
    return "://" in text


@contextmanager
def bar(rasters: list[str]) -> Iterator[Callable[[int], None]]:
    """Yield a progress bar on standard error over the bytes of archives, when there is a terminal."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    if not show.errors.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("measuring"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=show.errors, transient=True) as progress:
        here = [Path(name) for name in rasters if not is_url(name)]
        task = progress.add_task("", total=sum(path.stat().st_size for path in here if path.is_file()))
        yield lambda n: progress.advance(task, n)

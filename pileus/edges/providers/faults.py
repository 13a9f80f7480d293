"""Translate what libraries raise into the errors of Pileus, from a table."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pileus.edges.providers.address import shown
from pileus.errors import Busy, NotFound, PileusError, ProviderError, Refused

Fault = tuple[type[BaseException], type[PileusError], str]
"""A foreign error, ours, and what to say; the first row that fits counts."""
MISSING = (404, 410)
REFUSED = (401, 403, 407)
BUSY = (408, 421, 423, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524, 525, 527, 529, 530)


@contextmanager
def translated(table: Sequence[Fault], url: str) -> Iterator[None]:
    """Errors of the table become ours, about `url`. Anything else passes."""
    try:
        yield
    except PileusError:
        raise
    except tuple(row[0] for row in table) as exc:
        raise translate(table, exc, url) from exc


def translate(table: Sequence[Fault], exc: BaseException, url: str) -> PileusError:
    for foreign, ours, words in table:
        if isinstance(exc, foreign):
            detail = getattr(exc, "strerror", None) or type(exc).__name__
            return ours(words.format(detail=detail), where=shown(url))
    raise LookupError(f"{type(exc).__name__} is in no row") from exc


def status_error(status: int, reason: str, url: str, retry_after: float | None = None) -> ProviderError:
    """Return the error for an HTTP status that is not success.

    >>> str(status_error(404, "Not Found", "https://x.org/a?token=1"))
    'https://x.org/a: the provider answered 404 Not Found'
    """
    words, where = f"the provider answered {status} {reason}".rstrip(), shown(url)
    if status in BUSY:
        return Busy(words, where=where, retry_after=retry_after)
    kinds: dict[bool, type[ProviderError]] = {status in MISSING: NotFound, status in REFUSED: Refused}
    return kinds.get(True, Refused if 400 <= status < 500 else ProviderError)(words, where=where)

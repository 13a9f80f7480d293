"""What is said about a name that is not known: the names that are near it, or those that there are."""

from collections.abc import Iterable
from difflib import get_close_matches


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three known names that `name` may stand for, the nearest first.

    >>> near_names("maen", ["mean", "min", "max", "area"])
    ['mean', 'min', 'max']
    """
    names = sorted(set(known))
    folded = {one.casefold(): one for one in names}
    close = [folded[one] for one in get_close_matches(name.casefold(), folded, n=3, cutoff=0.5)]
    close += [one for one in names if name and name.casefold() in one.casefold() and one not in close]
    return close[:3]


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message about an unknown name of some kind.

    >>> unknown("statistic", "maen", ["mean", "min", "max"])
    "unknown statistic 'maen': did you mean mean, min or max?"
    >>> unknown("zone", "x", [])
    "unknown zone 'x': there is none yet"
    """
    names = sorted(set(known))
    shown = name if len(name) <= 60 else f"{name[:57]}..."
    if close := near_names(name, names):
        *first, last = close
        either = f"{', '.join(first)} or {last}" if first else last
        return f"unknown {kind} {shown!r}: did you mean {either}?"
    if not names:
        return f"unknown {kind} {shown!r}: there is none yet"
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"unknown {kind} {shown!r}: there are {', '.join(names[:8])}{more}"

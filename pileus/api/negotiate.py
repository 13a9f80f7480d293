"""Which of several content types an Accept header asks for."""

from collections.abc import Sequence


def chosen(accept: str, kinds: Sequence[str]) -> str:
    """Return the kind that the header likes best: the first where it says nothing, or likes none.

    >>> chosen("text/csv;q=0.5, application/json", ["application/json", "text/csv"])
    'application/json'
    >>> chosen("text/*", ["application/json", "text/csv"]), chosen("", ["application/json"])
    ('text/csv', 'application/json')
    """
    liked = [_weight(accept, kind) for kind in kinds]
    best = max(liked)
    return kinds[liked.index(best)] if best > 0 else kinds[0]


def _weight(accept: str, kind: str) -> float:
    """Return the quality of a kind: that of the range that fits it most closely."""
    best, closest = 0.0, -1
    for part in accept.split(","):
        range_, *parameters = (text.strip().lower() for text in part.split(";"))
        fits = {kind: 2, f"{kind.partition('/')[0]}/*": 1, "*/*": 0}.get(range_)
        if fits is not None and fits > closest:
            closest, best = fits, _quality(parameters)
    return best


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0

"""Options that are given as NAME=VALUE, each again."""

from collections.abc import Iterable


def pairs(option: str, given: Iterable[str]) -> dict[str, str]:
    """Return the values of an option by their names. Raises UsageError for what is no NAME=VALUE."""
    from pileus.errors import UsageError

    found = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not (name and equals):
            raise UsageError(f"{option} {one[:60]!r}: expected NAME=VALUE")
        found[name] = value
    return found

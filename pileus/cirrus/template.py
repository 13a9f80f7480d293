"""Payloads as templates: `${NAME}` stands for a variable, as Cirrus's command line fills them in."""

import re
from collections.abc import Mapping

from pileus.errors import UsageError
from pileus.near import unknown

PLACE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<bare>[_a-z][_a-z0-9]*)|\{(?P<braced>[_a-z][_a-z0-9]*)(?:\?(?P<default>[^}]*))?\}|)", re.I
)


def fill(text: str, variables: Mapping[str, str], *, silent: bool = False) -> str:
    """Return a template with its variables filled in: `$NAME`, `${NAME}`, `${NAME?default}`; `$$` stands for `$`.

    Raises UsageError for a variable that is not given and has no default, and for a `$` that begins none; where
    `silent`, they stay as they are.

    >>> fill('{"id": "${id}", "size": ${size?1}, "path": "$$.features"}', {"id": "a"})
    '{"id": "a", "size": 1, "path": "$.features"}'
    """

    def value(found: re.Match[str]) -> str:
        if found["escaped"]:
            return "$"
        name = found["bare"] or found["braced"]
        if name is not None and name in variables:
            return variables[name]
        if found["default"] is not None:
            return found["default"]
        if silent:
            return found[0]
        line = text.count("\n", 0, found.start()) + 1
        if name is None:
            raise UsageError(f"line {line}: $ begins no variable; write $$ for $ itself")
        raise UsageError(f"line {line}: {unknown('variable', name, variables)}")

    return PLACE.sub(value, text)

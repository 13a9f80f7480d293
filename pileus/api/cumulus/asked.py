"""What the query of a list says, as Cumulus has it. What is not understood is refused, and nothing is left out.

FIELD=x   FIELD__in=x,y   FIELD__not=x   FIELD__exists=true   FIELD__from=1   FIELD__to=2
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request

from pileus.errors import UsageError

Row = Mapping[str, Any]
WORDS = frozenset({"limit", "page", "order", "sort_by", "sort_key", "fields", "prefix", "infix", "countOnly"})
"""Words of a list's query that name no field."""
TESTS = ("in", "not", "exists", "from", "to")
REFUSED = {
    "q": "there is no Elasticsearch that could take a query: ask for fields",
    "skip": "say which page",
    "searchContext": "pages are counted: say which page",
    "includeFullRecord": "each row of a list is whole already",
    "getRecoveryStatus": "Pileus keeps no ORCA archive that a granule could be recovered from",
}
"""Words of Cumulus's that are not read here, and why."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a list is of."""

    word: str
    """In one word."""
    name: str
    """The field that `prefix` and `infix` look at."""
    fields: frozenset[str]
    """Fields that a row may have."""
    known: frozenset[str]
    """Fields that are known of a row before it is read; all of them where there is nothing to read."""

    @classmethod
    def whole(cls, word: str, name: str, fields: frozenset[str]) -> "Table":
        """Return a table whose rows need not be read."""
        return cls(word, name, fields, fields)

    def check(self, field: str) -> str:
        """Return a field, with dots for one inside another. Raises UsageError for one that no row has."""
        if field.partition(".")[0] not in self.fields:
            raise UsageError(
                f"{field[:80]!r} is no field of this list: expected one of {', '.join(sorted(self.fields))}"
            )
        return field


@dataclass(frozen=True, slots=True)
class Condition:
    """What a field of a row must be."""

    field: str
    test: str
    """One of TESTS; empty: equal."""
    values: tuple[str, ...]

    def holds(self, row: Row) -> bool:
        """Return whether it holds of a row."""
        value = at(row, self.field)
        if self.test == "exists":
            return (value is not None) == (self.values == ("true",))
        if self.test == "not":
            return text(value) not in self.values
        if self.test in ("from", "to"):
            number, limit = (float(value) if isinstance(value, int | float) else math.nan), float(self.values[0])
            return number >= limit if self.test == "from" else number <= limit
        return text(value) in self.values


@dataclass(frozen=True, slots=True)
class Asked:
    """What a query says of a list."""

    limit: int
    page: int
    """From 1."""
    sort: tuple[tuple[str, bool], ...]
    """Fields to order by, each with whether the largest comes first; empty: the order of the stack."""
    fields: tuple[str, ...]
    """Fields that are told; empty: all."""
    prefix: str
    infix: str
    count_only: bool
    conditions: tuple[Condition, ...]

    def uses(self, name: str) -> set[str]:
        """Return the fields that it looks at. `name`: that of prefix and infix."""
        found = {one.field for one in self.conditions} | {field for field, _ in self.sort}
        return {field.partition(".")[0] for field in found} | ({name} if self.prefix or self.infix else set())

    def keeps(self, row: Row, name: str) -> bool:
        """Return whether a row is of the list."""
        told = str(row.get(name, ""))
        return told.startswith(self.prefix) and self.infix in told and all(one.holds(row) for one in self.conditions)

    def may_keep(self, **known: str) -> bool:
        """Return whether rows with these fields may be of the list."""
        return all(one.holds(known) for one in self.conditions if one.field in known)


def asked_of(table: Table) -> Any:
    """Return the dependency that reads the query of a list. It raises UsageError."""

    def read(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=500)] = 10,
        page: Annotated[int, Query(ge=1, le=10_000)] = 1,
        order: Annotated[Literal["asc", "desc"] | None, Query(description="Of sort_by; asc if not given.")] = None,
        sort_by: Annotated[str | None, Query(max_length=100)] = None,
        sort_key: Annotated[list[str] | None, Query(max_length=5, description="A field; -FIELD: descending.")] = None,
        fields: Annotated[str, Query(max_length=1000, description="Only these, joined by commas.")] = "",
        prefix: Annotated[str, Query(max_length=240, description="Only what is named so at its beginning.")] = "",
        infix: Annotated[str, Query(max_length=240, description="Only what is named so anywhere.")] = "",
        countOnly: Annotated[bool, Query()] = False,  # noqa: N803 - Cumulus's name
    ) -> Asked:
        wanted = tuple(table.check(one) for one in fields.split(",") if one)
        sort = _sort(table, sort_by, sort_key or [], order)
        return Asked(limit, page, sort, wanted, prefix, infix, countOnly, conditions(table, request, WORDS))

    return Depends(read)


def all_of(table: Table, request: Request, words: Collection[str]) -> Asked:
    """Return what the query says of all rows of a list: conditions alone. `words`: that name no field. Raises
    UsageError.
    """
    return Asked(1, 1, (), (), "", "", False, conditions(table, request, words))


def conditions(table: Table, request: Request, words: Collection[str]) -> tuple[Condition, ...]:
    """Return what the query says of fields. Raises UsageError for what is no field, or says nothing clear of one."""
    found = []
    for name in sorted(set(request.query_params)):
        given = request.query_params.getlist(name)
        if len(given) > 1 and name != "sort_key":
            raise UsageError(f"{name[:80]!r} is given {len(given)} times: expected once")
        if name in REFUSED:
            raise UsageError(f"{name}: {REFUSED[name]}")
        if name not in words:
            found.append(_condition(table, name, given[0]))
    return tuple(found)


def _condition(table: Table, name: str, given: str) -> Condition:
    field, joined, test = name.rpartition("__")
    if not joined:
        return Condition(table.check(name), "", (given,))
    if test not in TESTS:
        raise UsageError(f"{name[:80]!r}: expected FIELD, or FIELD__ and one of {', '.join(TESTS)}")
    if test == "exists" and given not in ("true", "false"):
        raise UsageError(f"{name[:80]}: expected true or false")
    if test in ("from", "to") and not _is_number(given):
        raise UsageError(f"{name[:80]}: expected a number, of moments the milliseconds since 1970")
    return Condition(table.check(field), test, tuple(given.split(",")) if test == "in" else (given,))


def _sort(table: Table, by: str | None, keys: list[str], order: str | None) -> tuple[tuple[str, bool], ...]:
    if by and keys:
        raise UsageError("sort_by and sort_key: expected one of them")
    if order and not by:
        raise UsageError("order: is that of sort_by, which is not given")
    if by:
        return ((table.check(by), order == "desc"),)
    return tuple((table.check(key.lstrip("+- ")), key.startswith("-")) for key in keys)


def at(row: Row, field: str) -> Any:
    """Return the value of a field; None where it is not there.

    >>> at({"rule": {"type": "sqs"}}, "rule.type")
    'sqs'
    """
    value: Any = row
    for part in field.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def text(value: Any) -> str | None:
    """Return a value as a query writes it; None where there is none.

    >>> text(True), text(10), text(None)
    ('true', '10', None)
    """
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def _is_number(given: str) -> bool:
    try:
        return math.isfinite(float(given))
    except ValueError:
        return False

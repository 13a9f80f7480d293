"""Lists of /cumulus: right or refused, whatever is asked, and with no more rows looked at than are allowed."""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.api.cumulus import lists
from pileus.api.cumulus.asked import Asked, Condition, Row, Table
from pileus.api.cumulus.lists import listed, matching
from pileus.errors import UsageError

TABLE = Table("thing", "id", frozenset({"id", "parity", "size"}), frozenset({"id"}))
ROWS = [{"id": f"{number:03}", "parity": ("even", "odd")[number % 2], "size": number * 7 % 10} for number in range(60)]


def known(rows: Iterable[Row]) -> Iterator[Row]:
    return ({"id": row["id"]} for row in rows)


def read(rows: Iterable[Row]) -> list[Row]:
    return [ROWS[int(row["id"])] for row in rows]


def asked(limit: int = 10, page: int = 1, **more: Any) -> Asked:
    facts: dict[str, Any] = {"sort": (), "fields": (), "prefix": "", "infix": "", "count_only": False, "conditions": ()}
    return Asked(limit, page, **facts | more)


CONDITIONS = [(), (Condition("parity", "", ("odd",)),), (Condition("id", "not", ("003",)),)]
SORTS: list[Any] = [(), (("size", False),), (("parity", True), ("id", False)), (("id", True),)]


@given(
    limit=st.integers(1, 70),
    page=st.integers(1, 8),
    conditions=st.sampled_from(CONDITIONS),
    sort=st.sampled_from(SORTS),
    prefix=st.sampled_from(["", "0", "03", "9"]),
)
def test_a_page_is_what_all_rows_filtered_ordered_and_cut_are(
    limit: int, page: int, conditions: Any, sort: Any, prefix: str
) -> None:
    kept = [row for row in ROWS if str(row["id"]).startswith(prefix) and all(one.holds(row) for one in conditions)]
    for field, descending in reversed(sort):
        kept.sort(key=lambda row: row[field], reverse=descending)
    told = listed(asked(limit, page, conditions=conditions, sort=sort, prefix=prefix), "s", TABLE, known(ROWS), read)
    assert told["results"] == kept[(page - 1) * limit : page * limit]
    assert (told["meta"]["count"], "more" in told["meta"]) == (len(kept), False)


class Endless:
    """Rows without an end, and how many were taken."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[Row]:
        for number in count():
            self.taken += 1
            yield {"id": f"{number:09}"}


def whole(rows: Iterable[Row]) -> Iterator[Row]:
    return ({**row, "parity": "even", "size": 1} for row in rows)


def test_of_a_list_without_end_a_page_is_told_and_that_there_are_more() -> None:
    rows = Endless()
    told = listed(asked(3, 2), "s", TABLE, rows, whole)
    assert [one["id"] for one in told["results"]] == ["000000003", "000000004", "000000005"]
    assert (told["meta"]["count"], told["meta"]["more"], rows.taken) == (lists.LOOKED, True, lists.LOOKED + 1)


@pytest.mark.parametrize(
    "what",
    [
        {"page": 501},
        {"sort": (("size", False),)},
        {"conditions": (Condition("parity", "", ("odd",)),)},
    ],
    ids=["a page behind them", "an order of all", "too few that match"],
)
def test_of_a_list_without_end_what_could_be_wrong_is_refused(what: dict[str, Any]) -> None:
    rows = Endless()
    with pytest.raises(UsageError, match="more than 5,000 rows"):
        listed(asked(**what), "s", TABLE, rows, whole)
    assert rows.taken == lists.LOOKED + 1


def test_a_list_of_just_as_many_as_are_looked_at_is_whole() -> None:
    rows = [{"id": f"{number:04}"} for number in range(lists.LOOKED)]
    told = listed(asked(10, lists.LOOKED // 10), "s", TABLE, rows, whole)
    assert (told["results"][-1]["id"], "more" in told["meta"]) == ("4999", False)


def test_all_rows_are_counted_or_refused() -> None:
    assert len([*matching(asked(), TABLE, known(ROWS), read)]) == 60
    with pytest.raises(UsageError, match="to count all"):
        [*matching(asked(), TABLE, Endless(), whole)]


@pytest.mark.parametrize(
    ("test", "values", "value", "holds"),
    [
        ("", ("1",), 1, True),
        ("", ("true",), True, True),
        ("", ("x",), None, False),
        ("not", ("x",), None, True),
        ("in", ("a", "b"), "b", True),
        ("exists", ("true",), 0, True),
        ("exists", ("false",), None, True),
        ("from", ("5",), 5, True),
        ("to", ("5",), 6, False),
        ("from", ("5",), "6", False),
        ("to", ("5",), None, False),
    ],
)
def test_a_condition_holds_or_not(test: str, values: tuple[str, ...], value: Any, holds: bool) -> None:
    assert Condition("field", test, values).holds({"field": value}) is holds

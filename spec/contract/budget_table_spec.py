"""What a table of connection budgets must hold, in memory as in DynamoDB."""

import pytest

from pileus.edges.aws import Aws
from pileus.edges.budget import Holder
from pileus.edges.budget_table import BudgetTable, DynamoBudgetTable
from spec.servers import Site
from spec.support.budget_table import MemoryBudgetTable, make_budget_table


@pytest.fixture(params=["memory", "dynamodb"])
def table(request: pytest.FixtureRequest) -> BudgetTable:
    if request.param == "memory":
        return MemoryBudgetTable()
    site: Site = request.getfixturevalue("aws")
    return DynamoBudgetTable(Aws(site.url).dynamodb, make_budget_table(site))


def test_a_holder_is_read_as_it_was_written(table: BudgetTable) -> None:
    one, other = Holder("one", frozenset({0, 12}), 3, "t1"), Holder("other", frozenset(), 0, "t2", dead=True)
    assert table.put("site", one, {None})
    assert table.put("site", other, {None})
    assert table.put("elsewhere", other, {None})
    assert table.holders("site") == [one, other]
    assert table.holders("site", now=False) == [one, other]
    assert table.holders("nowhere") == []


def test_a_holder_is_written_over_what_is_known_of_it_alone(table: BudgetTable) -> None:
    assert not table.put("site", Holder("w", tag="b"), {"a"})
    assert table.put("site", Holder("w", tag="a"), {None})
    assert not table.put("site", Holder("w", tag="b"), {None})
    assert not table.put("site", Holder("w", tag="b"), {"c"})
    assert table.put("site", Holder("w", tag="b"), {"c", "a"})
    assert [holder.tag for holder in table.holders("site")] == ["b"]


def test_a_write_that_was_done_before_is_done(table: BudgetTable) -> None:
    assert table.put("site", Holder("w", tag="a"), {None})
    assert table.put("site", Holder("w", tag="a"), {None})


def test_a_holder_is_removed_as_it_is_known_and_again(table: BudgetTable) -> None:
    table.put("site", Holder("w", tag="a"), {None})
    assert not table.remove("site", "w", {"b"})
    assert table.remove("site", "w", {None, "a"})
    assert table.remove("site", "w", {"a"})
    assert table.holders("site") == []


def test_a_slot_is_taken_once(table: BudgetTable) -> None:
    assert table.take("site", 3, "a", "t1") == "t1"
    assert table.take("site", 3, "b", "t2") == "t1"
    assert table.take("site", 3, "a", "t1") == "t1"
    assert table.take("site", 4, "b", "t3") == "t3"
    assert table.take("elsewhere", 3, "b", "t4") == "t4"


def test_a_slot_that_nobody_has_any_more_is_taken_in_place_of_its_token(table: BudgetTable) -> None:
    table.take("site", 3, "a", "t1")
    assert table.take("site", 3, "b", "t2", instead_of="t0") == "t1"
    assert table.take("site", 3, "b", "t2", instead_of="t1") == "t2"


def test_a_slot_is_given_back_by_who_has_it(table: BudgetTable) -> None:
    table.take("site", 3, "a", "t1")
    table.free("site", 3, worker="b")
    table.free("site", 3, worker="a", token="t0")
    assert table.take("site", 3, "b", "t2") == "t1"
    table.free("site", 3, worker="a", token="t1")
    table.free("site", 3, worker="a", token="t1")
    assert table.take("site", 3, "b", "t2") == "t2"
    table.free("site", 3, worker="b")
    assert table.take("site", 3, "c", "t3") == "t3"


def test_slots_are_not_holders(table: BudgetTable) -> None:
    table.take("site", 3, "a", "t1")
    assert table.holders("site") == []

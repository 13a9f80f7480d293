"""Grouping: complete, waiting, superseded, duplicate, empty, strange; in any order the same."""

from hypothesis import given
from hypothesis import strategies as st

from pileus.documents import Grouping
from pileus.group import KEPT, group, stamp_order
from pileus.models import Granule, Listed, Problem

GROUPING = Grouping(by=("start",), each="tile", expect=("A", "B", "C"), newest="created")


def file(start: str, tile: str, created: str = "201505111709", *, size: int | None = 5, folder: str = "x") -> Granule:
    name = f"{start}_{tile}_c{created}.tgz"
    parts = {"start": start, "tile": tile, "created": created}
    return Granule(Listed(name, f"https://x.org/{folder}/{name}", size), parts)


def kinds(problems: tuple[Problem, ...]) -> list[tuple[str, str]]:
    return [(problem.kind, problem.name) for problem in problems]


def test_a_group_with_every_expected_value_is_complete_and_ordered_as_expected() -> None:
    grouped = group([file("201501", tile) for tile in "CAB"], GROUPING)
    (whole,) = grouped.groups
    assert (whole.key, whole.complete, whole.size) == ("201501", True, 15)
    assert [granule.parts["tile"] for granule in whole.granules] == ["A", "B", "C"]


def test_a_group_that_lacks_a_value_waits_and_says_which() -> None:
    (waiting,) = group([file("201501", "A"), file("201501", "C")], GROUPING).groups
    assert not waiting.complete
    assert waiting.missing == ("B",)


def test_each_key_is_a_group() -> None:
    grouped = group([file("201502", "A"), file("201501", "A")], GROUPING)
    assert [found.key for found in grouped.groups] == ["201501", "201502"]


def test_without_a_key_everything_is_one_group_even_when_nothing_is_there() -> None:
    (empty,) = group([], Grouping(each="tile", expect=("A",))).groups
    assert (empty.key, empty.missing) == ("all", ("A",))
    assert group([], GROUPING).groups == ()


def test_a_newer_stamp_supersedes() -> None:
    old, new = file("201501", "A", "201505111709"), file("201501", "A", "201601010000")
    grouped = group([new, old], GROUPING)
    assert grouped.groups[0].granules == (new,)
    assert kinds(grouped.problems) == [("superseded", old.file.name)]


def test_a_stamp_of_thirteen_digits_is_a_day_of_the_year() -> None:
    assert stamp_order("2015006171539") < stamp_order("201501062359")
    assert stamp_order("2015006171539") > stamp_order("201501061715")
    old, new = file("201401", "A", "2015006171539"), file("201401", "A", "201502231126")
    assert group([old, new], GROUPING).groups[0].granules == (new,)


def test_the_same_entry_twice_counts_once_and_is_told() -> None:
    grouped = group([file("201501", "A"), file("201501", "A")], GROUPING)
    assert len(grouped.groups[0].granules) == 1
    assert kinds(grouped.problems) == [("duplicate", "201501_A_c201505111709.tgz")]


def test_different_files_that_are_alike_in_everything_are_not_chosen_between() -> None:
    grouped = group([file("201501", "A"), file("201501", "A", folder="y")], GROUPING)
    assert grouped.groups[0].granules == ()
    assert grouped.groups[0].missing == ("A", "B", "C")
    assert [problem.kind for problem in grouped.problems] == ["duplicate", "duplicate"]
    assert "neither is used" in grouped.problems[0].detail


def test_an_empty_file_counts_as_not_published() -> None:
    grouped = group([file("201501", "A", size=0), file("201501", "B")], GROUPING)
    assert grouped.groups[0].missing == ("A", "C")
    assert kinds(grouped.problems) == [("empty", "201501_A_c201505111709.tgz")]


def test_a_value_that_is_not_expected_stays_out() -> None:
    grouped = group([file("201501", "Z"), file("201501", "A")], GROUPING)
    assert [granule.parts["tile"] for granule in grouped.groups[0].granules] == ["A"]
    assert kinds(grouped.problems) == [("unexpected", "201501_Z_c201505111709.tgz")]


def test_problems_of_discovery_pass_through() -> None:
    stranger = Problem("stranger", "README", "no regex matches")
    assert group([stranger], GROUPING).problems == (stranger,)


def test_many_problems_of_a_kind_are_counted() -> None:
    strangers = [Problem("stranger", f"{number:05}", "no regex matches") for number in range(KEPT + 5)]
    problems = group(strangers, GROUPING).problems
    assert len(problems) == KEPT + 1
    assert problems[-1].name == "5 more"


def test_each_kind_of_file_must_be_complete() -> None:
    data = [file("201501", tile) for tile in "ABC"]
    metadata = [
        Granule(Listed(f"{tile}.xml", f"https://x.org/{tile}.xml", 1), {**file("201501", tile).parts}, kind=1)
        for tile in "AB"
    ]
    (found,) = group([*data, *metadata], GROUPING).groups
    assert found.missing == ("C",)
    assert len(found.granules) == 5


granules = st.builds(
    file,
    st.sampled_from(["201501", "201502"]),
    st.sampled_from("ABCZ"),
    st.sampled_from(["201505111709", "2015006171539", "201601010000", "strange"]),
    size=st.sampled_from([0, 5, None]),
    folder=st.sampled_from("xy"),
)


@given(entries=st.lists(granules, max_size=12), shuffle=st.randoms(use_true_random=False), copies=st.integers(1, 3))
def test_any_order_and_any_duplication_give_the_same_groups(entries: list[Granule], shuffle, copies: int) -> None:  # type: ignore[no-untyped-def]
    again = entries * copies
    shuffle.shuffle(again)
    assert group(again, GROUPING).groups == group(entries, GROUPING).groups


@given(entries=st.lists(granules, max_size=12))
def test_every_file_is_used_or_reported_never_both_and_a_value_is_there_or_missing(entries: list[Granule]) -> None:
    grouped = group(entries, GROUPING)
    used = {granule.file.url for found in grouped.groups for granule in found.granules}
    told = {problem.name for problem in grouped.problems}
    assert all(entry.file.url in used or entry.file.name in told for entry in entries)
    for found in grouped.groups:
        here = [granule.parts["tile"] for granule in found.granules]
        assert sorted([*here, *found.missing]) == ["A", "B", "C"]

"""The scratch space that a group needs is estimated from groups that were done."""

from pileus.models import Granule, Group, Listed
from pileus.scratch.need import MARGIN, UNKNOWN_FACTOR, Need


def test_need_is_learnt_from_what_groups_needed() -> None:
    need = Need()
    group = Group("g", (granule(600), granule(400)))
    assert need.of(group) == round(1000 * (1 + UNKNOWN_FACTOR))
    need.saw(500, 500)
    assert need.of(group) == round(1000 * MARGIN)
    need.saw(1000, 4000)
    assert need.of(group) == round(4000 * MARGIN)
    need.saw(0, 0)
    assert need.of(group) == round(4000 * MARGIN)


def test_where_a_size_is_not_listed_the_largest_group_stands_for_it() -> None:
    need = Need()
    need.saw(5000, 5000)
    assert need.of(Group("g", (granule(600), granule(None)))) == round(5000 * MARGIN)


def test_a_group_that_is_measured_while_it_arrives_needs_what_the_others_needed_beside_no_files() -> None:
    need, group = Need(), Group("g", (granule(1000),))
    assert need.of(group, files=False) == round(1000 * UNKNOWN_FACTOR)
    need.saw(1000, 0)
    assert need.of(group, files=False) == 0
    assert need.of(group) == round(1000 * MARGIN)


def granule(size: int | None) -> Granule:
    return Granule(Listed("a.tgz", "http://x/a.tgz", size=size), {})

"""Group: which granules are processed together, and which of them are still missing."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from pileus.documents import Grouping
from pileus.errors import DocumentError
from pileus.models import Granule, Group, Problem

EVERYTHING = "all"
"""Key of the only group of a collection that does not group."""
ANY = "a file"
"""What is missing of a group that has nothing, where no values are expected."""
KEPT = 1000
"""Problems of one kind that are kept one by one; the rest are counted."""
STAMPS = {7: "%Y%j", 8: "%Y%m%d", 12: "%Y%m%d%H%M", 13: "%Y%j%H%M%S", 14: "%Y%m%d%H%M%S"}
"""Creation stamps by their number of digits. 13 digits are year, day of the year and time, as NASA's MODIS
file names write them; read as a number, such a stamp would be newer than any of 12 digits."""


@dataclass(frozen=True, slots=True)
class Grouped:
    """What a listing came to."""

    groups: tuple[Group, ...]
    """Ordered by key."""
    problems: tuple[Problem, ...]
    """Ordered by kind and name; at most KEPT of a kind, then one that counts the rest."""


def group(granules: Iterable[Granule | Problem], grouping: Grouping, id: str = "") -> Grouped:
    """Put granules into groups by the named groups of their regex. The order of `granules` does not matter.

    1. A file of zero bytes is a problem (`empty`) and counts as not there.
    2. A value of `each` that is not expected is a problem (`unexpected`) and stays out of the group.
    3. Of files alike in all but `newest`, the newest stays; the others are problems (`superseded`).
    4. The same entry twice counts once; different files that are alike in everything, the stamp included, are
       not chosen between: both are problems (`duplicate`), and the group is `spoilt`.
    5. Where the regex has no named groups, files are told apart by their names.
    6. A group is complete when each expected value is there, for every kind of file that the group has.

    Without `by` there is one group, `all`. For an empty listing there is none, unless values are expected. `id`: the
    key of the one group of a template with ids, which is there for an empty listing too, and waits for a file.

    >>> from pileus.models import Listed
    >>> tiles = [Granule(Listed(f"{t}.tgz", f"https://x.org/{t}.tgz", 1), {"tile": t}) for t in ("b", "a")]
    >>> whole, = group(tiles, Grouping(each="tile", expect=("a", "b", "c"))).groups
    >>> [granule.file.name for granule in whole.granules], whole.missing
    (['a.tgz', 'b.tgz'], ('c',))
    """
    problems = _Problems()
    members: dict[str, list[Granule]] = defaultdict(list)
    if not grouping.by and (grouping.expect or id):
        members[id or EVERYTHING] = []
    for granule in granules:
        if isinstance(granule, Problem):
            problems.add(granule)
        elif granule.file.size == 0:
            problems.add(Problem("empty", granule.file.name, "0 bytes at the provider: counts as not published"))
        elif grouping.expect and granule.parts[grouping.each or ""] not in grouping.expect:
            value = granule.parts[grouping.each or ""]
            problems.add(Problem("unexpected", granule.file.name, f"{grouping.each} is {value!r}, not expected"))
        else:
            members[_key(granule, grouping, id)].append(granule)
    groups = tuple(_one(key, members[key], grouping, problems) for key in sorted(members))
    return Grouped(groups, problems.ordered())


def set_aside(grouped: Grouped) -> tuple[Problem, ...]:
    """Return the files that some regex matches and that are in no group: a person may want to know of them."""
    return tuple(problem for problem in grouped.problems if problem.kind != "stranger")


def refuse_strangers(grouped: Grouped) -> None:
    """Raise DocumentError when files are there and no regex matches any: for folders that hold one point in time."""
    strangers = [problem.name for problem in grouped.problems if problem.kind == "stranger"]
    if strangers and not any(group.granules for group in grouped.groups) and len(strangers) == len(grouped.problems):
        raise DocumentError(
            f"files[].regex matches none of {len(strangers)} files that are there, such as {strangers[0]}"
        )


def stamp_order(stamp: str) -> tuple[str, str]:
    """Something that sorts as the time the stamp tells; an unknown form sorts by its text.

    >>> stamp_order("2015006171539") < stamp_order("201502231126")
    True
    """
    digits = re.sub(r"\D", "", stamp)
    try:
        told = datetime.strptime(digits, STAMPS[len(digits)])
    except (KeyError, ValueError):
        return stamp, stamp
    return told.strftime("%Y%m%d%H%M%S"), stamp


def _key(granule: Granule, grouping: Grouping, id: str) -> str:
    return "_".join(granule.parts[name] for name in grouping.by) if grouping.by else id or EVERYTHING


def _one(key: str, granules: Sequence[Granule], grouping: Grouping, problems: "_Problems") -> Group:
    chosen, spoilt = _newest_of_each(granules, grouping, problems)
    kinds = {granule.kind for granule in granules} or {0}
    each = grouping.each or ""
    here = {(granule.kind, granule.parts.get(each, "")) for granule in chosen}
    missing = tuple(value for value in grouping.expect if any((kind, value) not in here for kind in kinds))
    if not granules and not missing:
        missing = (ANY,)
    place = {value: index for index, value in enumerate(grouping.expect)}
    ordered = sorted(chosen, key=lambda g: (place.get(g.parts.get(each, ""), 0), g.file.name, g.file.url))
    return Group(key, tuple(ordered), missing, spoilt)


def _newest_of_each(
    granules: Sequence[Granule], grouping: Grouping, problems: "_Problems"
) -> tuple[list[Granule], tuple[str, ...]]:
    def identity(granule: Granule) -> tuple[object, ...]:
        parts = sorted((k, v) for k, v in granule.parts.items() if k != grouping.newest)
        return (granule.kind, *parts) if granule.parts else (granule.kind, granule.file.name)

    def stamp(granule: Granule) -> tuple[str, str]:
        return stamp_order(granule.parts[grouping.newest]) if grouping.newest else ("", "")

    chosen, spoilt = [], []
    ordered = sorted(granules, key=lambda g: (identity(g), stamp(g), g.file.name, g.file.url, repr(g.file)))
    for _, alike in groupby(ordered, key=identity):
        versions = [list(same) for _, same in groupby(alike, key=stamp)]
        newest = versions[-1]
        for old in (granule for version in versions[:-1] for granule in version):
            problems.add(Problem("superseded", old.file.name, f"{newest[0].file.name} is newer"))
        different = {repr(granule.file) for granule in newest}
        for twin in newest[1:] if len(different) == 1 else ():
            problems.add(Problem("duplicate", twin.file.name, "listed more than once, the same each time"))
        for rival in newest if len(different) > 1 else ():
            others = (
                ", ".join(sorted({g.recorded.file.url for g in newest} - {rival.recorded.file.url}))
                or "another of this name"
            )
            problems.add(Problem("duplicate", rival.file.name, f"stands for the same as {others}: neither is used"))
        if len(different) == 1:
            chosen.append(newest[0])
        else:
            names = " and ".join(sorted({g.file.name for g in newest}))
            spoilt.append(f"{len(different)} different files stand for the same, neither is used: {names}")
    return chosen, tuple(spoilt)


class _Problems:
    """Collects problems; of many of a kind, keeps the first and counts the rest."""

    def __init__(self) -> None:
        self._kept: dict[str, set[Problem]] = defaultdict(set)
        self._more: dict[str, int] = defaultdict(int)

    def add(self, problem: Problem) -> None:
        kept = self._kept[problem.kind]
        if problem in kept:
            return
        if len(kept) < KEPT:
            kept.add(problem)
        else:
            self._more[problem.kind] += 1

    def ordered(self) -> tuple[Problem, ...]:
        kept = sorted(
            (problem for kind in self._kept.values() for problem in kind), key=lambda p: (p.kind, p.name, p.detail)
        )
        rest = [Problem(kind, f"{count} more", "not shown one by one") for kind, count in sorted(self._more.items())]
        return (*kept, *rest)

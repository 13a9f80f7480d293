"""The groups of a point in time: its files are listed and put together, for each id of the template that has ids."""

from collections.abc import Mapping
from typing import TypeVar

from pileus.discover import Lister, discover
from pileus.documents import Collection
from pileus.errors import PileusError, StoreError
from pileus.group import ANY, Grouped, group, refuse_strangers
from pileus.listings import Listings
from pileus.models import Group, Problem

T = TypeVar("T")


def point_groups(lister: Lister, collections: Mapping[str, Collection], *, own_folder: bool) -> Grouped:
    """Return what a provider has for the concrete collections of a point in time, which are by id.

    A template without ids has one, `""`; then what `lister.list` raises is raised. An id has one group, always: one
    without files waits, and one whose files cannot be listed is spoilt, so that it keeps no other id from its work.

    >>> from pileus.documents import File
    >>> from pileus.errors import NotFound
    >>> class Nothing:
    ...     def list(self, path):
    ...         raise NotFound("no such folder", where=path)
    >>> tile = Collection(name="x", files=[File(regex=".*")], provider_path="/h17v08")
    >>> point_groups(Nothing(), {"h17v08": tile}, own_folder=True).groups[0].spoilt
    ('cannot be listed: NotFound: /h17v08: no such folder',)
    """
    if "" in collections:
        return _one(lister, collections[""], "", own_folder=own_folder)
    groups: list[Group] = []
    problems: set[Problem] = set()
    for id, collection in sorted(collections.items()):
        try:
            found = _one(lister, collection, id, own_folder=own_folder)
        except StoreError:
            raise  # the stack, and not the provider
        except PileusError as error:
            groups.append(Group(id, (), (ANY,), (f"cannot be listed: {type(error).__name__}: {error}",)))
            continue
        groups += found.groups
        # In a folder that ids share, the files of one are strangers to the others.
        problems.update(problem for problem in found.problems if problem.kind != "stranger")
    return Grouped(tuple(groups), tuple(sorted(problems, key=lambda one: (one.kind, one.name, one.detail))))


def list_point(edge: Lister, collections: Mapping[str, Collection], *, own_folder: bool, parallel: int) -> Grouped:
    """Do as `point_groups`; folders that several ids share are listed once, `parallel` at a time."""
    if "" in collections:
        return point_groups(edge, collections, own_folder=own_folder)
    listings = Listings()
    listings.fetch(edge, (collection.provider_path for collection in collections.values()), parallel)
    return point_groups(listings, collections, own_folder=own_folder)


def of_group(found: Group, by_id: Mapping[str, T]) -> T:
    """Return what a group has of what is by id: the one thing there is, `""`, where the template has no ids."""
    return by_id[""] if "" in by_id else by_id[found.key]


def _one(lister: Lister, collection: Collection, id: str, *, own_folder: bool) -> Grouped:
    grouped = group(discover(lister, collection.provider_path, collection.discovered), collection.meta.group, id)
    if own_folder:
        refuse_strangers(grouped)
    return grouped

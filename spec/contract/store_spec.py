"""One contract for every store: S3, a folder, and the store of the simulation."""

import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from pileus.edges import store as module
from pileus.edges.aws import Aws
from pileus.edges.store import FolderStore, S3Store, Store
from pileus.errors import Conflict, NotFound, StoreError, UsageError
from spec.servers import Site
from spec.simulation.alone import Alone
from spec.simulation.objects import Objects, SimulatedStore
from spec.simulation.schedule import Schedule

NAMES = ["plain", "a b", "a+b", "50%", "é", "x=1,y=2", "q?r", "h#i", "~", "deep/er/still"]


@pytest.fixture(params=["folder", "simulated", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path)
    if request.param == "simulated":
        schedule = Schedule(1)
        simulated: Any = Alone(SimulatedStore(schedule, Objects(), lambda: False), schedule)
        return simulated  # type: ignore[no-any-return]
    site: Site = request.getfixturevalue("aws")
    return S3Store(Aws(site.url).s3)


@pytest.fixture
def at(store: Store, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Addresses in a bucket of the spec's own."""
    bucket = f"store-{uuid4().hex[:8]}"
    if isinstance(store, S3Store):
        Aws(request.getfixturevalue("aws").url).s3.create_bucket(Bucket=bucket)
    return lambda key: f"s3://{bucket}/{key}"


At = Callable[[str], str]


def test_what_is_put_is_read_back_and_replaced(store: Store, at: At) -> None:
    store.put(at("a"), b"one")
    store.put(at("a"), b"two", "text/plain")
    assert store.get(at("a")) == b"two"
    store.put(at("empty"), b"")
    assert store.get(at("empty")) == b""


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_what_it_is_called(store: Store, at: At, name: str) -> None:
    store.put(at(f"names/{name}"), name.encode())
    store.copy(at(f"names/{name}"), at(f"copies/{name}"))
    assert store.get(at(f"copies/{name}")) == name.encode()
    assert [url for url, _ in store.list(at("names/"))] == [at(f"names/{name}")]
    store.delete(at(f"names/{name}"))
    assert list(store.list(at("names/"))) == []


def test_what_is_not_there_is_not_found_by_its_address(store: Store, at: At) -> None:
    missing: list[Callable[[], object]] = [
        lambda: store.get(at("none")),
        lambda: store.tagged(at("none")),
        lambda: store.copy(at("none"), at("target")),
    ]
    for ask in missing:
        with pytest.raises(NotFound) as caught:
            ask()
        assert caught.value.where == at("none")
    assert list(store.list(at(""))) == []


def test_an_address_that_is_none_is_refused(store: Store) -> None:
    for url in ("a", "/a", "http://b/k", "s3:///k"):
        with pytest.raises(UsageError, match="expected s3://bucket/key"):
            module.split(url)


def test_a_tag_changes_with_the_bytes(store: Store, at: At) -> None:
    store.put(at("a"), b"one")
    body, first = store.tagged(at("a"))
    assert body == b"one"
    assert store.tagged(at("a")) == (b"one", first)
    store.put(at("a"), b"two")
    assert store.tagged(at("a"))[1] != first


def test_a_swap_writes_only_over_what_it_has_seen(store: Store, at: At) -> None:
    store.put(at("a"), b"one")
    first = store.tagged(at("a"))[1]
    second = store.swap(at("a"), b"two", first)
    assert store.tagged(at("a")) == (b"two", second)
    with pytest.raises(Conflict):
        store.swap(at("a"), b"three", first)
    assert store.get(at("a")) == b"two"


def test_a_swap_of_nothing_writes_only_where_nothing_is(store: Store, at: At) -> None:
    tag = store.swap(at("a"), b"one", None)
    assert store.tagged(at("a")) == (b"one", tag)
    with pytest.raises(Conflict):
        store.swap(at("a"), b"two", None)
    assert store.get(at("a")) == b"one"


def test_a_swap_of_what_is_gone_is_refused(store: Store, at: At) -> None:
    tag = store.swap(at("a"), b"one", None)
    store.delete(at("a"))
    with pytest.raises(Conflict):
        store.swap(at("a"), b"two", tag)
    assert list(store.list(at(""))) == []


def test_a_swap_that_is_sent_twice_is_done_once(store: Store, at: At) -> None:
    """Its first answer was lost."""
    tag = store.swap(at("a"), b"one", None)
    assert store.swap(at("a"), b"one", None) == tag
    following = store.swap(at("a"), b"two", tag)
    assert store.swap(at("a"), b"two", tag) == following


def test_a_copy_replaces_and_leaves_its_source(store: Store, at: At) -> None:
    store.put(at("a"), b"one")
    store.put(at("b"), b"two")
    store.copy(at("a"), at("b"))
    assert (store.get(at("a")), store.get(at("b"))) == (b"one", b"one")


def test_an_object_is_dropped_on_its_tag_alone(store: Store, at: At) -> None:
    store.put(at("a"), b"one")
    first = store.tagged(at("a"))[1]
    store.put(at("a"), b"two")
    store.drop(at("a"), first)
    assert store.get(at("a")) == b"two"
    store.drop(at("a"), store.tagged(at("a"))[1])
    assert list(store.list(at(""))) == []
    store.drop(at("a"), first)  # gone is no error


def test_objects_are_listed_by_prefix_in_order_with_their_sizes(store: Store, at: At) -> None:
    for name, size in (("p/b", 2), ("p/a", 1), ("p/a/x", 3), ("pq", 4), ("o", 5)):
        if name == "p/a/x" and isinstance(store, FolderStore):
            continue  # no folder has the name of a file
        store.put(at(name), b"." * size)
    wanted = [("p/a", 1), ("p/a/x", 3), ("p/b", 2), ("pq", 4)]
    found = [(at(name), size) for name, size in wanted if name != "p/a/x" or not isinstance(store, FolderStore)]
    assert list(store.list(at("p"))) == found
    assert list(store.list(at("p/b"))) == [(at("p/b"), 2)]


def test_a_listing_has_no_end_of_page(store: Store, at: At) -> None:
    for number in range(1005):
        store.put(at(f"many/{number:04}"), b"")
    assert [url for url, _ in store.list(at("many/"))] == [at(f"many/{number:04}") for number in range(1005)]


def test_several_are_deleted_at_once_whether_they_are_there_or_not(
    store: Store, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DELETES", 3)
    for number in range(8):
        store.put(at(f"a b/{number}"), b"")
    store.delete(*(at(f"a b/{number}") for number in range(7)), at("none"))
    assert [url for url, _ in store.list(at(""))] == [at("a b/7")]
    store.delete(at("none"))
    store.delete()


def test_a_large_object_is_whole(store: Store, at: At) -> None:
    body = bytes(range(256)) * (48 << 12)  # 48 MB
    store.put(at("large"), body)
    store.copy(at("large"), at("copy"))
    assert store.get(at("copy")) == body
    tag = store.swap(at("large"), body[1:], store.tagged(at("large"))[1])
    assert store.tagged(at("large")) == (body[1:], tag)
    assert dict(store.list(at("")))[at("large")] == len(body) - 1


def test_a_mark_changes_with_the_bytes_and_is_that_of_the_listing(store: Store, at: At) -> None:
    store.put(at("m/a"), b"one")
    store.put(at("m/b"), b"two")
    listed = dict(store.marks(at("m/")))
    assert list(listed) == [at("m/a"), at("m/b")]
    assert store.mark(at("m/a")) == (3, listed[at("m/a")])
    store.put(at("m/a"), b"three")
    again = dict(store.marks(at("m/")))
    assert again[at("m/a")] != listed[at("m/a")]
    assert again[at("m/b")] == listed[at("m/b")]
    assert store.mark(at("m/a")) == (5, again[at("m/a")])


def test_a_part_is_of_the_object_that_was_looked_at(store: Store, at: At) -> None:
    store.put(at("a"), b"0123456789")
    size, mark = store.mark(at("a"))
    assert [store.part(at("a"), *ends, mark) for ends in ((0, size), (2, 5), (9, 10), (3, 3))] == [
        b"0123456789", b"234", b"9", b"",
    ]  # fmt: skip
    store.put(at("a"), b"9876543210")
    with pytest.raises(Conflict):
        store.part(at("a"), 0, 1, mark)
    with pytest.raises(NotFound):
        store.mark(at("none"))


def test_a_signed_address_is_read_without_credentials_where_there_is_one(store: Store, at: At) -> None:
    store.put(at("a b/é"), b"one")
    address = store.signed(at("a b/é"), 60)
    assert (address is not None) == isinstance(store, S3Store)
    if address:
        with urllib.request.urlopen(address, timeout=30) as answer:
            assert answer.read() == b"one"


def test_a_signed_address_is_written_without_credentials_where_there_is_one(store: Store, at: At) -> None:
    store.put(at("w/é"), b"one")
    address = store.signed(at("w/é"), 60, write=True)
    assert (address is not None) == isinstance(store, S3Store)
    if address:
        with urllib.request.urlopen(urllib.request.Request(address, b"two", method="PUT"), timeout=30):
            assert store.get(at("w/é")) == b"two"


def test_a_bucket_that_is_not_there_is_refused_when_it_is_written(aws: Site) -> None:
    store = S3Store(Aws(aws.url).s3)
    with pytest.raises((StoreError, NotFound)):
        store.put("s3://there-is-none-of-this-name/a", b"")

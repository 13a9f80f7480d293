"""What a run is about: keys and their inverse, and the places that the index keeps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.errors import UsageError
from pileus.lifecycle.partition import Entry
from pileus.models import Partition, State
from pileus.subject import Request, key_of, parse_subject

texts = st.text(min_size=1, max_size=12)
partitions = st.builds(Partition, texts, texts, st.dates().map(lambda day: f"{day:%Y-%m}"), texts)
requests = st.builds(
    Request,
    st.from_regex(r"[a-z][a-z0-9-]{0,29}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True),
)


@given(partitions | requests)
def test_a_key_is_read_back(subject: Partition | Request) -> None:
    assert parse_subject(subject.key) == subject


@given(partitions | requests)
def test_scope_and_item_give_the_key(subject: Partition | Request) -> None:
    assert key_of(subject.scope, subject.item) == subject.key


@given(partitions)
def test_no_partition_is_taken_for_a_request(partition: Partition) -> None:
    assert not partition.key.startswith("request:")
    assert not partition.scope.startswith("request:")


def test_a_partition_lies_where_it_always_did() -> None:
    partition = Partition("viirs", "001", "2015-01", "20150101")
    assert (partition.key, partition.scope, partition.item) == (
        "viirs/001/2015-01/20150101",
        "viirs/001/2015",
        "2015-01/20150101",
    )


@pytest.mark.parametrize(
    "key",
    [
        "request:",
        "request:x",
        "request:x/",
        "request:x/a/b",
        "request:X/a",
        "request:/a",
        "workflow:",
        "workflow:a b/c",
    ],
)
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(UsageError):
        parse_subject(key)


@pytest.mark.parametrize(("process", "id"), [("a_b", "x"), ("a", "x y"), ("a", ""), ("a", "x" * 41), ("é", "x")])
def test_an_id_that_would_not_fit_into_keys_is_refused(process: str, id: str) -> None:
    with pytest.raises(UsageError):
        Request(process, id)


def test_a_row_that_was_stored_before_there_were_kinds_is_a_partitions() -> None:
    old = {"partition": "viirs/001/2015-01/20150101", "state": "queued", "run": "b/1"}
    assert Entry.from_json(old).partition == Partition("viirs", "001", "2015-01", "20150101")


def test_a_row_of_a_partition_is_written_as_before() -> None:
    entry = Entry(Partition("viirs", "001", "2015-01", "20150101"), State.queued, "b/1")
    written = entry.to_json()
    assert written["partition"] == "viirs/001/2015-01/20150101"
    assert "subject" not in written


def test_an_entry_of_a_request_survives_json_and_is_no_partition() -> None:
    entry = Entry(Request("zonal-statistics", "mine"), State.queued, "request:zonal-statistics/mine/2")
    assert Entry.from_json(entry.to_json()) == entry
    assert (entry.backfill, entry.number) == ("request:zonal-statistics/mine", 2)
    with pytest.raises(UsageError, match="is no partition"):
        _ = entry.partition

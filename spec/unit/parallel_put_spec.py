"""Objects are written in parallel, and again while the store is away."""

from pathlib import Path

import pytest

from pileus.edges import parallel_put
from pileus.edges.parallel_put import Batch
from pileus.edges.store import FolderStore
from pileus.errors import Denied, StoreError, Unavailable


class Away(FolderStore):
    """A store that refuses the first writes."""

    def __init__(self, folder: Path, *refusals: StoreError) -> None:
        super().__init__(folder)
        self.refusals = list(refusals)

    def put(self, url: str, body: bytes, content_type: str = "") -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        super().put(url, body, content_type)


def test_what_was_made_is_written_when_the_store_is_back(tmp_path: Path) -> None:
    with Batch(Away(tmp_path, Unavailable("is away"), Unavailable("is busy"))) as batch:
        batch.put("s3://bucket/a", b"x")
    assert (tmp_path / "bucket/a").read_bytes() == b"x"


def test_what_the_store_forbids_fails_at_once(tmp_path: Path) -> None:
    store = Away(tmp_path, Denied("may not"), Denied("may not"))
    with pytest.raises(Denied), Batch(store) as batch:
        batch.put("s3://bucket/a", b"x")
    assert len(store.refusals) == 1


def test_a_store_that_stays_away_fails_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel_put, "PATIENCE", 1.5)
    store = Away(tmp_path, *[Unavailable("is away")] * 9)
    with pytest.raises(Unavailable), Batch(store) as batch:
        batch.put("s3://bucket/a", b"x")
    assert len(store.refusals) == 7


def test_a_batch_that_is_given_up_does_not_wait_for_the_store(tmp_path: Path) -> None:
    def give_up() -> None:
        with Batch(Away(tmp_path, *[Unavailable("is away")] * 9)) as batch:
            batch.put("s3://bucket/a", b"x")
            raise KeyError

    with pytest.raises(KeyError):
        give_up()
    assert not (tmp_path / "bucket/a").exists()

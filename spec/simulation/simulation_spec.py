"""Everything that may go wrong goes wrong, in every order: what must always hold, holds for every seed.

A seed that fails is replayed with `python -m spec.simulation SEED`. The last specs break what the promises rest on,
and must be found out.
"""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from pileus.backfills import control, end, status
from pileus.lifecycle.spending import Spending
from pileus.models import Manifest, Output
from pileus.outputs import commit, zone_sets
from pileus.outputs.commit import Fence
from spec.simulation.world import run

CHUNK = 100


def violations(seeds: Iterable[int]) -> list[str]:
    """What is violated in any of them, with the command that replays it."""
    return [
        f"python -m spec.simulation {seed}: {found.violations[0]}" for seed in seeds if (found := run(seed)).violations
    ]


@pytest.mark.parametrize("first", range(0, 1000, CHUNK))
def test_what_must_always_hold_holds(first: int) -> None:
    assert violations(range(first, first + CHUNK)) == []


@pytest.mark.soak
@pytest.mark.parametrize("first", range(1000, 100_000, 1000))
def test_what_must_always_hold_holds_for_a_hundred_thousand_seeds(first: int) -> None:
    assert violations(range(first, first + 1000)) == []


def test_a_seed_is_one_history() -> None:
    first, second = run(7, verbose=True), run(7, verbose=True)
    assert first.history == second.history
    assert len(first.history) > 50


def found(seeds: Iterable[int], what: str = "") -> str:
    """The first violation that says `what`."""
    return next((text for seed in seeds if (text := " ".join(violations([seed]))) and what in text), "none")


def test_a_commit_without_its_fence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    fenced = Fence.commit

    def unfenced(self: Fence, manifest: Manifest) -> Manifest:
        tag = self.place.store.tagged(self.place.manifest)[1]  # whatever it is by now
        return fenced(replace(self, tag=tag), manifest)

    monkeypatch.setattr(Fence, "commit", unfenced)
    assert found(range(1000), "an older claim on") != "none"


def test_outputs_that_can_be_seen_before_the_commit_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fence, "stage", lambda self, url: url)
    assert "bytes that no committed manifest names" in found(range(1000))


def test_zones_that_a_partition_deletes_from_under_others_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "SHARED", ())
    assert "was deleted, which other partitions may name" in found(range(1000))


def test_zones_that_are_named_before_they_are_there_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def publish(store: Any, url: str, zones: Any, known: Any, *, now: float) -> Output:
        body = zone_sets.to_parquet(zones)
        return Output(url, len(body), sha256(body).hexdigest(), "zones")

    monkeypatch.setattr(zone_sets, "publish", publish)
    assert "which is not there" in found(range(1000))


def test_a_success_without_what_was_promised_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def verdict(outcomes: Any) -> str:
        told = status.verdict(outcomes)
        return "succeeded" if told == "incomplete" else told

    monkeypatch.setattr(end, "verdict", verdict)
    assert "is succeeded, but" in found(range(1000))


def test_a_stop_that_is_noted_as_told_and_was_not_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(end, "tell_run", lambda edges, backfill, counts, *, now: None)
    assert "nobody was told of" in found(range(1000))


def test_a_failure_that_only_its_writer_tells_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer may die just before."""
    monkeypatch.setattr(end, "tell_owed", lambda *_: None)
    monkeypatch.setattr(control, "tell_owed", lambda *_: None)
    assert "which failed: " in found(range(1000))


def test_a_limit_of_dollars_that_counts_only_what_has_ended_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Spending, "used", property(lambda limit: limit.dollars))
    assert "groups of one/1 and the runs before it were started, 3 may" in found(range(1000))


def test_a_limit_of_dollars_that_is_forgotten_with_the_index_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Spending, "recall", lambda limit, _: limit)
    assert "and the runs before it were started" in found(range(1150, 1200))

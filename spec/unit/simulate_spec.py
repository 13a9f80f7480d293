"""The simulation of the workers stack: what it must hold for any load, and ten thousand groups."""

import itertools
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.scaling_model import Load, Policy, Times, policy_of, share, simulate
from spec.support.synthesized import IMAGE, synthesize

SMALL = Policy(((1, 3, 1), (3, 5, 2), (5, math.inf, 3)), 10, 3, 2, 100.0)
"""Three workers, two on an instance; a volume of 100 bytes."""


def load(**changes: float) -> Load:
    base = {"groups": 20, "at_once": 10, "unpack": 1, "connections": 10, "connection_rate": 1, "per_worker": 6}
    size = changes.pop("size", 40)
    return Load(sizes=(size, size), **{**base, "seconds_per_byte": 0.5, **changes})  # type: ignore[arg-type]


@given(
    groups=st.integers(1, 60),
    at_once=st.integers(1, 50),
    size=st.integers(1, 90),
    connections=st.integers(1, 30),
    per_worker=st.integers(1, 8),
)
@settings(max_examples=40, deadline=None)
def test_every_group_is_done_within_the_limits_and_all_ends_at_zero(
    groups: int, at_once: int, size: int, connections: int, per_worker: int
) -> None:
    wanted = load(groups=groups, at_once=at_once, size=size, connections=connections, per_worker=per_worker)
    made = simulate(SMALL, wanted, every=60)
    assert made.done == groups
    assert made.peak_connections <= connections
    assert made.peak_workers <= SMALL.max_workers
    assert made.peak_disk <= SMALL.volume
    assert max(moment.instances for moment in made.moments) <= SMALL.max_instances
    assert made.to_zero >= made.seconds + 60 * (SMALL.idle_minutes - 1)


def test_groups_that_do_not_fit_side_by_side_take_turns() -> None:
    tight = simulate(SMALL, load(size=60))
    roomy = simulate(SMALL, load(size=40))
    assert tight.waited_for_room > 0
    assert roomy.waited_for_room == 0
    assert tight.peak_disk == 60


def test_more_connections_are_never_slower() -> None:
    times = [simulate(SMALL, load(connections=count)).seconds for count in (1, 2, 5, 10, 20)]
    assert all(slow >= fast for slow, fast in itertools.pairwise(times))


def test_a_slower_cloud_starts_later() -> None:
    assert simulate(SMALL, load(), Times(launch=600)).seconds - simulate(SMALL, load()).seconds >= 300


@given(st.integers(0, 50), st.lists(st.integers(0, 10), max_size=12))
def test_connections_are_given_out_fairly(limit: int, wanted: list[int]) -> None:
    given_ = share(limit, wanted)
    assert sum(given_) == min(limit, sum(wanted))
    assert all(got <= most for got, most in zip(given_, wanted, strict=True))
    short = [got for got, most in zip(given_, wanted, strict=True) if got < most]
    assert not short or max(given_) - min(short) <= 1 or max(given_) <= max(short)


def test_the_numbers_are_the_templates() -> None:
    template = synthesize({"worker_image": IMAGE, "max_workers": 6, "volume_size": 77, "idle_minutes": 7}).workers
    policy = policy_of(json.loads(template.path.read_text()))
    assert (policy.max_workers, policy.max_instances, policy.volume, policy.idle_minutes) == (6, 3, 77e9, 7)
    assert [policy.workers(backlog) for backlog in (0, 1, 2, 3, 11, 1000)] == [0, 1, 1, 2, 6, 6]


def test_ten_thousand_groups() -> None:
    """Of 2 GB each, at ten connections of 5 MB a second: the provider's 111 hours, and little more."""
    template = synthesize({"worker_image": IMAGE}).workers
    policy = policy_of(json.loads(template.path.read_text()))
    wanted = Load(
        groups=10_000,
        at_once=40,
        sizes=(2e9, 2e9),
        unpack=1.1,
        connections=10,
        connection_rate=5e6,
        per_worker=6,
        seconds_per_byte=2.7 / 628e6,
    )
    made = simulate(policy, wanted, step=20)
    by_provider = 10_000 * 2e9 / 50e6
    assert made.done == 10_000
    assert by_provider <= made.seconds <= 1.1 * by_provider
    assert made.peak_connections == 10
    assert made.to_zero - made.seconds < 3600


def test_a_template_without_instances_cannot_be_simulated() -> None:
    template = synthesize({"worker_image": IMAGE, "compute": "fargate"}).workers
    with pytest.raises(KeyError):
        policy_of(json.loads(template.path.read_text()))

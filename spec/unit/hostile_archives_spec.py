"""Archives that lie are refused in one sentence, before they cost memory."""

import io
import random
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.errors import ArchiveError
from pileus.unpack.member import UnpackLimits
from pileus.unpack.members import members
from spec.support.damage import ARCHIVES, damaged
from spec.support.hostile_archives import SEEDS, tars, zips
from spec.support.sentences import one_sentence

LIMITS = UnpackLimits(members=1000, unpacked=64 << 20)
CORPUS = sorted((Path(__file__).parents[1] / "corpus" / "archives").glob("*"))


def drained(data: bytes, limits: UnpackLimits | None = None) -> int:
    """Return how many bytes an archive unpacks to."""
    total = 0
    with members(io.BytesIO(data), "a.tgz", limits=limits) as every:
        for member in every:
            member.stream.drain()
            total += member.stream.at
    return total


def refused(data: bytes) -> ArchiveError | None:
    """Return why an archive is refused; None for one that is not."""
    try:
        drained(data, LIMITS)
    except ArchiveError as error:
        return error
    return None


@pytest.mark.parametrize("name", [*tars(), *zips()])
def test_an_archive_that_lies_is_refused_in_one_sentence_and_little_memory(name: str) -> None:
    data, said = (tars() | zips())[name]
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match=said) as caught:
            drained(data)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert one_sentence(caught.value, "a.tgz")


@pytest.mark.parametrize("name", SEEDS)
def test_the_seeds_are_sound(name: str) -> None:
    assert drained(SEEDS[name]())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_what_was_once_found_is_refused(path: Path) -> None:
    with pytest.raises(ArchiveError) as caught:
        drained(path.read_bytes(), LIMITS)
    assert one_sentence(caught.value, "a.tgz")


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(sorted(SEEDS)), st.randoms(use_true_random=False))
def test_a_damaged_archive_unpacks_or_is_refused_in_one_sentence(name: str, chance: random.Random) -> None:
    said = refused(damaged(SEEDS[name](), chance, ARCHIVES))
    assert said is None or one_sentence(said, "a.tgz")

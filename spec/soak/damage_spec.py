"""Ten thousand damaged files of each kind: read, or refused in one sentence, and nothing else."""

import random
from pathlib import Path

import pytest

from spec.support.damage import ARCHIVES, RASTERS, bits, cut, damaged, doubled, number
from spec.support.hostile_archives import SEEDS as ARCHIVE_SEEDS
from spec.support.hostile_rasters import SEEDS as RASTER_SEEDS
from spec.support.sentences import one_sentence
from spec.unit import hostile_archives_spec, hostile_rasters_spec, hostile_zones_spec

MANY = 10_000


def test_archives() -> None:
    for turn in range(MANY):
        chance = random.Random(turn)
        said = hostile_archives_spec.refused(damaged(chance.choice(list(ARCHIVE_SEEDS.values()))(), chance, ARCHIVES))
        assert said is None or one_sentence(said, "a.tgz"), turn


@pytest.mark.parametrize("packed", [False, True], ids=["files", "members"])
def test_rasters(packed: bool, tmp_path: Path) -> None:
    for turn in range(MANY // 2):
        chance = random.Random(turn)
        body = damaged(chance.choice(list(RASTER_SEEDS.values()))(), chance, RASTERS)
        said = hostile_rasters_spec.refused(body, tmp_path, packed=packed)
        assert said is None or one_sentence(said, "x."), turn
        assert {path.name for path in tmp_path.iterdir()} <= {"x.tar", "x.b.tif"}, turn


def test_zones() -> None:
    for turn in range(MANY):
        chance = random.Random(turn)
        body = damaged(chance.choice(list(hostile_zones_spec.SEEDS.values())), chance, (bits, cut, doubled, number))
        said = hostile_zones_spec.refused(body)
        assert said is None or one_sentence(said, "z.zip"), turn

"""A listing costs little memory, however many files it names."""

from pathlib import Path
from typing import Any

from spec.support.listed import listed


def test_a_listing_of_a_million_files_needs_less_than_512_mib(nginx: Any, tmp_path: Path) -> None:
    count, megabytes = listed(nginx, tmp_path, 1_000_000)
    assert count == 1_000_000
    assert megabytes < 512

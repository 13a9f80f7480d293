"""A listing costs little memory, however many files it names; and a page of it what its length does.

The first has ten times as many files as in spec/unit/discover_spec.py, the second pages four times as long as in
spec/unit/hostile_listings_spec.py.
"""

from pathlib import Path
from typing import Any

import pytest

from spec.support.hostile_pages import PAGES, read_page
from spec.support.listed import listed


def test_a_listing_of_a_million_files_needs_less_than_512_mib(nginx: Any, tmp_path: Path) -> None:
    count, megabytes = listed(nginx, tmp_path, 1_000_000)
    assert count == 1_000_000
    assert megabytes < 512


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", PAGES.values(), ids=PAGES.keys())
def test_a_page_of_four_megabytes_costs_what_its_length_does(piece: bytes) -> None:
    read_page(piece, 4 << 20)

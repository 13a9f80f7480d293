"""As spec/unit/fuzz_spec.py, with many more texts: PILEUS_FUZZ of each kind, 10,000 if it is not given."""

import os

import pytest

from spec.support.fuzz import KINDS, fuzz

EXAMPLES = int(os.environ.get("PILEUS_FUZZ", "10000"))


@pytest.mark.parametrize("kind", KINDS)
def test_many_texts_are_read_or_refused_with_one_sentence(kind: str) -> None:
    read, refused = fuzz(kind, EXAMPLES, anew=True)
    print(f"{kind}: {read:,} read, {refused:,} of them refused with one sentence")
    assert read >= EXAMPLES

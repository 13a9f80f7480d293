"""Listings and documents that are damaged or hostile: a value or one sentence comes of each, and no other error."""

from pathlib import Path

import pytest

from spec.support.fuzz import CORPUS, KINDS, check, fuzz

FILES = sorted(path for path in CORPUS.rglob("*") if path.is_file() and "archives" not in path.parts)


def kind_of(path: Path) -> str:
    return "documents" if path.parent.name == "documents" else path.parent.name


@pytest.mark.timeout(120)
@pytest.mark.parametrize("path", [path for path in FILES if kind_of(path) in KINDS], ids=lambda path: path.stem)
def test_what_was_found_before_is_read_or_refused(path: Path) -> None:
    check(KINDS[kind_of(path)][1], path.read_bytes())


def test_every_kind_has_files_in_the_corpus() -> None:
    assert set(KINDS) <= {kind_of(path) for path in FILES}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", KINDS)
def test_any_text_is_read_or_refused_with_one_sentence(kind: str) -> None:
    read, refused = fuzz(kind, 200, anew=False)
    assert read >= 200
    assert 0 < refused < read or kind == "ftp_mlsd", "the texts are neither all right nor all wrong"

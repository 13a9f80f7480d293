"""A collection's own regular expressions: they mean what Python's mean, and none takes long."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.discover import discover
from pileus.documents import Collection, File, parse_value
from pileus.edges.providers.memory import MemoryEdge
from pileus.errors import DocumentError
from pileus.models import Granule
from pileus.patterns import NamePattern

LONG = "a" * 200


@pytest.mark.timeout(60)
@pytest.mark.parametrize("pattern", [r"(\w+\s?)+\.tgz", r"(?:a|a)*b", r"(?:a*)*b", r"(?P<x>\w*)*(?P<y>\w*)*-"])
def test_a_pattern_without_looking_around_answers_for_any_name(pattern: str) -> None:
    (problem,) = discover(MemoryEdge({LONG: b"x"}), "", [File(regex=pattern)])
    assert not isinstance(problem, Granule)
    assert problem.kind == "stranger"


@pytest.mark.timeout(60)
def test_a_pattern_that_needs_to_go_back_ends_with_a_sentence() -> None:
    with pytest.raises(DocumentError, match="takes too long for the name of a file: avoid a repetition") as caught:
        list(discover(MemoryEdge({LONG: b"x"}), "", [File(regex=r"(?=x*)(a|a)+b")]))
    assert "\n" not in str(caught.value)


@pytest.mark.timeout(60)
def test_the_time_of_all_names_of_a_listing_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pileus.patterns.ALL_SECONDS", 0.2)
    pattern = NamePattern(r"(?=x*)(a|a)+b")
    with pytest.raises(DocumentError):
        any(pattern.parts("a" * length) for length in range(10, 200))


@pytest.mark.timeout(60)
def test_a_sample_that_takes_too_long_is_told_when_the_document_is_read() -> None:
    value = {"name": "x", "files": [{"regex": r"(?=x*)(a|a)+b", "sampleFileName": LONG}]}
    with pytest.raises(DocumentError, match=r"^x\.json: files\[0\]: the regular expression takes too long"):
        parse_value(Collection, value, "x.json")


@pytest.mark.parametrize("pattern", ["[", "a{99999999999}", "(" * 900 + ")" * 900, "a" * 5000, "(?P<a>", "a**"])
def test_what_is_no_pattern_is_told(pattern: str) -> None:
    with pytest.raises(DocumentError, match=r"^x\.json: files\[0\]\.regex: ") as caught:
        parse_value(Collection, {"name": "x", "files": [{"regex": pattern}]}, "x.json")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (r"(?P<a>\d)\.tgz", "\u0663.tgz"),  # \d of Python is any digit
        (r"(?P<a>\w+)\.tgz", "\xe9t\xe9.tgz"),
        (r"(?i:\xe9)(?P<a>.)", "\xc9x"),
        (r"(?P<a>a{,2})b", "aab"),  # RE2 reads it as a text
        (r"(?P<a>[[:x]+)\]?", "[:x"),
        (r"(?P<a>x)(?P=a)", "xx"),
        (r"(?P<a>x)(?!y).", "xz"),
        (r"(?P<a>x++)y\Z", "xxy"),
        (r"(?P<a>\0?)x", "x"),
        (r"(?x) (?P<a> x ) # a comment", "x"),
        (r"(?P<tile>a)|(?P<other>b)", "b"),
        (r"(?P<year>a|ab)(?P<rest>c|bcd)?", "abcd"),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_pattern_means_what_it_means_in_python(pattern: str, name: str) -> None:
    match = re.fullmatch(pattern, name)
    assert match is not None
    assert NamePattern(pattern).parts(name) == {key: value or "" for key, value in match.groupdict().items()}


ATOMS = st.sampled_from(["a", "b", r"\d", r"\w", r"\S", ".", "[ab]", "[^a]", "[a-c_]", r"\.", "[.]", "_", r"\b"])
REPEATS = st.sampled_from(["", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,2}?", "{,2}"])


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    # A group that may be empty is not repeated: which of its parts is kept differs between the engines.
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        inner.map(lambda one: f"(?i:{one})"),
        inner.map(lambda one: f"({one})"),
    )


PATTERNS = st.recursive(st.tuples(ATOMS, REPEATS).filter(lambda two: two != (r"\b", "")).map("".join), _combined)


@settings(max_examples=300)
@given(parts=st.lists(PATTERNS, min_size=1, max_size=3), name=st.text("ab1_.C\xe9", max_size=8))
def test_any_pattern_takes_the_same_parts_as_in_python(parts: list[str], name: str) -> None:
    pattern = "".join(f"(?P<g{number}>{part})" for number, part in enumerate(parts))
    try:
        match = re.fullmatch(pattern, name)
    except re.error:
        return
    wanted = None if match is None else {key: value or "" for key, value in match.groupdict().items()}
    assert NamePattern(pattern).parts(name) == wanted


@pytest.mark.parametrize("name", ["id", "season", "e", "doy", " id "])
def test_a_placeholder_is_plain_text_to_each_engine(name: str) -> None:
    """`{i}` would allow an insertion to the engine that goes back."""
    pattern = NamePattern(rf"{{{{{name}}}}}_(?P<part>.)(?=[.])[.]tif")
    assert pattern.parts(f"{{{{{name}}}}}_x.tif") == {"part": "x"}
    assert NamePattern("a{{2}_.(?!x)").parts("a{{_b") == {}, "two braces, by a repetition"

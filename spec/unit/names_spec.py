"""Names of strangers: one safe segment of a path, or never used."""

from io import BytesIO
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.discover import discover
from pileus.documents import File, Grouping
from pileus.download.fetch import granule_of
from pileus.edges.providers.index_page import parse_index_page
from pileus.edges.providers.memory import MemoryEdge
from pileus.edges.providers.url_list import parse_url_list
from pileus.errors import UnsafeName, UsageError
from pileus.group import group
from pileus.models import Granule, Listed, Problem
from pileus.names import FileName, printable, shown_name

BAD = (
    "", " ", ".", "..", "/abs/victim.tgz", "../evil.tgz", "a/b.tgz", "a\\b.tgz", "C:evil.tgz", "c:\\evil.tgz",
    "nul\0.tgz", "line\n.tgz", "carriage\r.tgz", "\x1b[2Jscreen.tgz", "\x9bcsi.tgz", "turn\u202egzt.tgz",
    "half\ud800.tgz", "line\u2028.tgz", "x" * 300 + ".tgz", "ü" * 120, ".a.tgz.part", ".a.tgz.part.json",
)  # fmt: skip
GOOD = ("a.tgz", "a name with spaces & plus+percent%41.bin", "ümlaut.bin", "2015-01-01T00:00:00Z.tif", ".hidden", "-rf")


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_a_name_that_is_no_safe_segment_is_refused(name: str) -> None:
    with pytest.raises(UnsafeName) as caught:
        Listed(name, "ftp://x.org/a")  # type: ignore[arg-type]
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", GOOD)
def test_an_honest_name_stays_as_it_is(name: str) -> None:
    assert Listed(name, "ftp://x.org/a").name == name  # type: ignore[arg-type]


@given(st.text(max_size=300))
def test_every_name_is_one_segment_of_the_folder_or_refused(name: str) -> None:
    try:
        made = FileName(name)
    except UnsafeName:
        return
    assert (Path("/scratch") / made).parent == Path("/scratch")
    assert PureWindowsPath(made).parts == (made,)
    assert made.isprintable()
    assert len(f".{made}.12345678.part.json".encode()) <= 255


def test_a_granule_that_was_written_down_with_an_unsafe_name_is_refused() -> None:
    value = {"name": "../evil.tgz", "url": "ftp://x.org/evil.tgz", "parts": {}, "bucket": "internal"}
    with pytest.raises(UnsafeName, match="holds a slash"):
        Granule.from_json(value)


def test_a_url_with_a_line_break_is_refused() -> None:
    with pytest.raises(UnsafeName, match="control character"):
        Listed("a.tgz", "http://x.org/a.tgz\r\nHost: evil")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url", ["http://x.org/..%2fevil.tgz", "http://x.org/%1b[2J.tgz", "http://x.org/a%00", "ftp://x.org/"]
)
def test_a_url_that_is_asked_for_by_hand_names_a_safe_file_too(url: str) -> None:
    with pytest.raises(UsageError, match="names no file") as caught:
        granule_of(url)
    assert str(caught.value).isprintable()


def test_unsafe_names_are_set_aside_with_a_reason_and_the_others_are_used() -> None:
    edge = MemoryEdge({"good.tgz": b"x", "\x1b[2J.tgz": b"x", "..\\evil.tgz": b"x"})
    grouped = group(discover(edge, "", [File(regex=r".*\.tgz")]), Grouping())
    assert [granule.file.name for whole in grouped.groups for granule in whole.granules] == ["good.tgz"]
    assert grouped.problems == (
        Problem("unsafe", "'..\\\\evil.tgz'", "set aside: holds a backslash"),
        Problem("unsafe", "'\\x1b[2J.tgz'", "set aside: holds a character that cannot be printed"),
    )


def test_an_index_page_gives_no_name_that_leaves_its_folder() -> None:
    links = ["..%2fevil.tgz", "%2fetc%2fpasswd", "a%00.tgz", "%1b[2J.tgz", "C:evil.tgz", "good.tgz", "..%5cevil.tgz"]
    text = "<title>Index of /</title>" + "".join(f'<a href="{link}">x</a>' for link in links)
    found = list(parse_index_page(BytesIO(text.encode()), "http://x.org/"))
    assert [entry.name for entry in found if isinstance(entry, Listed)] == ["good.tgz"]
    assert len([entry for entry in found if isinstance(entry, Problem)]) == 5


def test_a_list_of_urls_gives_no_name_that_leaves_its_folder() -> None:
    text = b"a%2f..%2fb.tgz\nhttp://y.org/%0a.tgz\ngood.tgz\n"
    found = list(parse_url_list(text, "http://x.org/urls.txt"))
    assert [type(entry).__name__ for entry in found] == ["Problem", "Problem", "Listed"]


def test_a_shown_name_cannot_steer_a_terminal() -> None:
    assert shown_name("\x1b[31m\n") == "'\\x1b[31m\\n'"
    assert len(shown_name("x" * 10_000)) == 80
    assert printable("\x1b]0;title\x07 a\u202eb\nc") == "\\x1b]0;title\\x07 a\\u202eb\nc"
    assert printable("\uf5f3\u0382 é") == "\\uf5f3\\u0382 é", "for private use, and no character at all"


def test_what_a_command_prints_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    from pileus.cli import show

    show.line("stranger: \x1b[2J\x1b]0;owned\x07.tgz")
    show.table(("name",), [["\x1b[31mred\u202e"]])
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\\x1b[2J" in printed

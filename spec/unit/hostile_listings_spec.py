"""Listings that a stranger makes to cost much: each ends, with one sentence that says which limit it met."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from io import BytesIO
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from pileus.documents import Credentials, Provider, SecretRef
from pileus.edges.providers import ProviderEdge, connect, http_connection
from pileus.edges.providers.index_page import parse_index_page
from pileus.edges.providers.page_links import LONGEST_TAG
from pileus.edges.providers.url_list import LONGEST, parse_url_list
from pileus.edges.secrets import Secrets
from pileus.errors import NotAListing, PileusError
from pileus.models import Listed, Problem
from spec.servers import hostile
from spec.support.hostile_pages import NAMED, PAGES, read_page

SIZE = 1 << 20
"""Bytes; spec/soak/listing_spec.py has four times as many."""
URL = "http://x.org/a/"


def entries(body: bytes) -> list[Listed | Problem]:
    return list(parse_index_page(BytesIO(body), URL))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", PAGES.values(), ids=PAGES.keys())
def test_a_page_costs_what_its_length_does(piece: bytes) -> None:
    read_page(piece, SIZE)


def test_a_tag_without_end_is_refused_and_not_held() -> None:
    with pytest.raises(NotAListing, match="a tag of the page is longer than 65,536 bytes"):
        entries(NAMED + b'<a href="' + b"x" * LONGEST_TAG)


def test_links_are_found_wherever_a_page_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    text = NAMED + b"".join(
        b'<!-- <a href=no.tgz> --><script>"<a href=no.tgz>"</script><tr><td><A HREF = "a%d.tgz" class=x>a</A ></td>'
        b"<td>2022-01-05 04:18</td><td> 1%d </td></tr>" % (n, n)
        for n in range(20)
    )
    wanted = [Listed(f"a{n}.tgz", f"{URL}a{n}.tgz", int(f"1{n}"), "2022-01-05T04:18") for n in range(20)]
    assert entries(text) == wanted
    monkeypatch.setattr("pileus.edges.providers.index_page.HEAD", 40)
    for size in range(1, 40):
        monkeypatch.setattr("pileus.edges.providers.page_links.CHUNK", size)
        assert entries(text) == wanted


def test_a_size_that_is_cut_off_is_no_size() -> None:
    row = b"<a href=x.tgz>x</a> 2022-01-05 04:18 " + b" " * 1003 + b"268804"
    (found,) = entries(NAMED + row)
    assert isinstance(found, Listed)
    assert (found.size, found.modified) == (None, "2022-01-05T04:18")


@pytest.mark.parametrize("size", ["9" * 19, "9" * 5000, "\u0663"])
def test_a_size_that_is_none_of_a_file_is_left_out(size: str) -> None:
    (found,) = entries(NAMED + f"<a href=x.tgz>x</a> 2022-01-05 04:18 {size}".encode())
    assert isinstance(found, Listed)
    assert found.size is None


def test_a_link_that_no_file_has_is_set_aside() -> None:
    (problem,) = entries(NAMED + b"<a href=" + b"x" * 5000 + b">")
    assert isinstance(problem, Problem)
    assert problem.detail == "set aside: its link is longer than 4,096 bytes"


def test_a_line_that_no_url_has_is_told_without_the_query_of_its_list() -> None:
    with pytest.raises(NotAListing, match=r"^http://x.org/l.txt: line 1 is longer than 8,192 bytes$"):
        list(parse_url_list(b"x" * (LONGEST + 1), "http://x.org/l.txt?token=secret"))


MEMBER = b"type=file;size=5; x.tgz\r\n"
LIMITS = {
    "listing_bytes": (1 << 16, "the listing is longer than 65,536 bytes, the most that is read"),
    "listing_entries": (100, "the listing has more than 100 entries, the most that is read"),
    "listing_seconds": (0.5, "the listing did not end within 0 seconds"),
}


def limited(edge: Any, **limits: float) -> ProviderEdge:
    """Return an edge with other limits of a listing."""
    edge.limits = replace(edge.limits, attempts=1, **limits)
    return edge  # type: ignore[no-any-return]


@contextmanager
def ftp(**how: Any) -> Iterator[ProviderEdge]:
    with (
        hostile.ftp(["x.tgz"], **how) as site,
        closing(connect(Provider(id="x", protocol="ftp", host=site.host), secrets=Secrets(environ={}))) as edge,
    ):
        yield edge


@contextmanager
def sftp() -> Iterator[ProviderEdge]:
    credentials = Credentials(type="basic", username=SecretRef(env="USER"), password=SecretRef(env="WORD"))
    with hostile.sftp(["x.tgz"] * 20, forever=True) as site:
        document = Provider(id="x", protocol="sftp", host=site.host, host_key=site.host_key, credentials=credentials)
        with closing(connect(document, secrets=Secrets(environ={"USER": "me", "WORD": "pass"}))) as edge:
            yield edge


@contextmanager
def web(body: Callable[[int], Iterator[bytes]], **how: Any) -> Iterator[ProviderEdge]:
    with (
        hostile.web(body, **how) as site,
        closing(connect(Provider(id="x", protocol="http", host=site.host), secrets=Secrets(environ={}))) as edge,
    ):
        yield edge


@contextmanager
def s3(body: Callable[[int], Iterator[bytes]]) -> Iterator[ProviderEdge]:
    credentials = Credentials(type="aws", access_key=SecretRef(env="A"), secret_key=SecretRef(env="B"))
    with hostile.web(body, kind="application/xml") as site:
        document = Provider(
            id="x", protocol="s3", host="bucket", endpoint=f"http://{site.host}", credentials=credentials
        )
        with closing(connect(document, secrets=Secrets(environ={"A": "a", "B": "b"}))) as edge:
            yield edge


def refused(edge: ProviderEdge) -> str:
    with pytest.raises(PileusError) as caught:
        list(edge.list(""))
    assert "\n" not in str(caught.value)
    return caught.value.message


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("mlsd", [True, False])
def test_an_ftp_listing_without_end_ends(limit: str, mlsd: bool) -> None:
    most, words = LIMITS[limit]
    row = MEMBER if mlsd else b"-rw-r--r-- 1 a a 5 Jan 01 2015 x.tgz\r\n"
    with ftp(mlsd=mlsd, forever=row * (1 if limit == "listing_entries" else 100)) as edge:
        assert refused(limited(edge, **{limit: most})) == words


def test_an_ftp_listing_that_drips_ends() -> None:
    with ftp(forever=b"x", pause=0.05) as edge:
        assert refused(limited(edge, listing_seconds=0.5)) == LIMITS["listing_seconds"][1]


def test_an_ftp_line_without_end_ends() -> None:
    with ftp(forever=b"x" * 1000) as edge:
        assert refused(edge) == "a line of the listing is longer than 8,192 bytes"


def test_an_ftp_answer_without_end_ends() -> None:
    with ftp(welcome="220-hello\r\n" + "220-more\r\n" * 5000) as edge:
        assert refused(limited(edge)) == "the answer is not FTP"


def test_an_ftp_answer_that_does_not_come_ends() -> None:
    with ftp(welcome="220-hello") as edge:
        assert refused(limited(edge, listing_seconds=0.5)) == LIMITS["listing_seconds"][1]


@pytest.mark.parametrize("line", ["type=file;size=" + "9" * 5000 + "; y.tgz", "type=file;size=-1; y.tgz"])
def test_an_ftp_size_that_is_none_is_left_out(line: str) -> None:
    with ftp(line=line) as edge:
        assert [(entry.name, entry.size) for entry in edge.list("") if isinstance(entry, Listed)] == [
            ("x.tgz", len(hostile.BODY)),
            ("y.tgz", None),
        ]


@pytest.mark.parametrize("limit", LIMITS)
def test_an_sftp_listing_without_end_ends(limit: str) -> None:
    most, words = LIMITS[limit]
    with sftp() as edge:
        assert refused(limited(edge, **{limit: most})) == words


@pytest.mark.parametrize("limit", LIMITS)
def test_an_http_listing_without_end_ends(limit: str) -> None:
    most, words = LIMITS[limit]
    rows = [NAMED + b"".join(b"<a href=%d.tgz>" % n for n in range(200))]
    with web(lambda _: iter(rows) if limit == "listing_entries" else repeat(rows[0])) as edge:
        assert refused(limited(edge, **{limit: most})) == words


def test_an_http_listing_that_drips_ends() -> None:
    def drips(_: int) -> Iterator[bytes]:
        while True:
            yield b"x"
            time.sleep(0.05)

    with web(drips) as edge:
        assert refused(limited(edge, listing_seconds=0.5)) == LIMITS["listing_seconds"][1]


@contextmanager
def raw(before: bytes, forever: bytes, after: int = 1 << 20) -> Iterator[ProviderEdge]:
    """An HTTP server that answers with bytes: `before`, and then the same ones, at most `after` times."""

    def talk(sock: socket.socket) -> None:
        with sock, suppress(OSError):
            sock.recv(1 << 16)
            sock.sendall(before)
            for _ in range(after):
                sock.sendall(forever)

    with (
        hostile.talking(talk) as site,
        closing(connect(Provider(id="x", protocol="http", host=site.host), secrets=Secrets(environ={}))) as edge,
    ):
        yield limited(edge)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LISTING = NAMED + b"<a href=x.tgz>x</a>"
CHUNK = b"%x\r\n%s\r\n0\r\n" % (len(LISTING), LISTING)
ENDLESS = {
    "a head": (OK, b"A: b\r\n" * 1000, "the answer is not HTTP: LineTooLong"),
    "a field": (OK + b"A: ", b"b" * 1000, "the answer is not HTTP: LineTooLong"),
    "a first line": (b"HTTP/1.1 200 ", b"OK" * 1000, "the answer is not HTTP: LineTooLong"),
    "answers on the way": (b"", b"HTTP/1.1 102 Processing\r\n\r\n", "the answer is not HTTP: BadStatusLine"),
    "a chunk's first line": (CHUNKED + b"5;", b"x" * 1000, "a chunk came whose first line does not end"),
    "zeros of a chunk's size": (CHUNKED, b"0" * 1000, "a chunk came whose first line does not end"),
    "lines between chunks": (CHUNKED + b"1\r\nx", b"\r\n" * 500, "a chunk came that does not tell its size"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ENDLESS)
def test_what_http_sends_without_end_beside_the_body_ends(name: str) -> None:
    before, forever, words = ENDLESS[name]
    with raw(before, forever) as edge:
        assert refused(edge) == words


@pytest.mark.timeout(60)
def test_trailers_without_end_are_not_read() -> None:
    with raw(CHUNKED + CHUNK, b"A: b\r\n" * 1000) as edge:
        assert [entry.name for entry in edge.list("")] == ["x.tgz"]


@pytest.mark.timeout(60)
def test_a_head_that_drips_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "LONGEST_HEAD", 0.5)
    for before, drop in ((OK, b"A: b\r\n"), (b"", b"HTTP/1.1 102 Processing\r\n\r\n")):

        def talk(sock: socket.socket, before: bytes = before, drop: bytes = drop) -> None:
            with sock, suppress(OSError):
                sock.sendall(before)
                while True:
                    time.sleep(0.05)
                    sock.sendall(drop)

        with hostile.talking(talk) as site:
            document = Provider(id="x", protocol="http", host=site.host, read_seconds=0.5)
            with closing(connect(document, secrets=Secrets(environ={}))) as edge:
                assert refused(limited(edge)) == "no answer in time"


@pytest.mark.parametrize("kind", ["application/\x1b[2Jzip", "x/y" * 1000])
def test_another_kind_of_page_is_told_in_one_line(kind: str) -> None:
    with web(lambda _: iter([b"x"]), kind=kind) as edge:
        message = refused(limited(edge))
    assert message.isprintable()
    assert len(message) < 200


def page(token: str, more: bytes = b"") -> bytes:
    return (
        b'<?xml version="1.0"?><ListBucketResult><IsTruncated>true</IsTruncated>'
        + f"<NextContinuationToken>{token}</NextContinuationToken>".encode()
        + more
        + b"</ListBucketResult>"
    )


KEY = b"<Contents><Key>x.tgz</Key><Size>5</Size><LastModified>2015-01-01T00:00:00Z</LastModified></Contents>"


def test_an_s3_listing_that_repeats_itself_ends() -> None:
    with s3(lambda _: iter([page("again", KEY)])) as edge:
        assert refused(limited(edge)) == "a page of the listing does not say how it continues"


def test_an_s3_listing_that_does_not_say_how_it_continues_is_told() -> None:
    with s3(lambda _: iter([page("", KEY)])) as edge:
        assert refused(limited(edge)) == "a page of the listing does not say how it continues"


@pytest.mark.parametrize("limit", LIMITS)
def test_an_s3_listing_without_end_ends(limit: str) -> None:
    most, words = LIMITS[limit]
    keys = KEY if limit == "listing_entries" else b""
    with s3(lambda number: iter([page(str(number), keys)])) as edge:
        assert refused(limited(edge, **{limit: most})) == words


NO_PAGES = [
    page("1", b"<Contents><Size>" + b"9" * 5000 + b"</Size></Contents>"),
    page("1", b"<Contents><Key>x</Key><LastModified>never</LastModified></Contents>"),
    page("1", b"<Contents><Key>x</Key><LastModified>1e300</LastModified></Contents>"),
]


@pytest.mark.parametrize("piece", NO_PAGES)
def test_an_s3_page_that_is_none_is_told(piece: bytes) -> None:
    with s3(lambda _: iter([piece])) as edge:
        assert refused(limited(edge)) == "the answer is not S3's"


@pytest.mark.timeout(30)
@pytest.mark.parametrize("begun", [b"", page("1")[:40]])
def test_an_s3_page_that_drips_ends(begun: bytes) -> None:
    def drips(_: int) -> Iterator[bytes]:
        yield begun or b" "
        while True:
            yield b" "
            time.sleep(0.05)

    with s3(drips) as edge:
        assert refused(limited(edge, listing_seconds=0.5)) == LIMITS["listing_seconds"][1]


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("before", "drop"), [(OK, b"A: b\r\n"), (b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (b"", b"H")])
def test_an_s3_head_that_drips_ends(before: bytes, drop: bytes) -> None:
    def talk(sock: socket.socket) -> None:
        with sock, suppress(OSError):
            sock.sendall(before)
            while True:
                time.sleep(0.05)
                sock.sendall(drop)

    credentials = Credentials(type="aws", access_key=SecretRef(env="A"), secret_key=SecretRef(env="B"))
    with hostile.talking(talk) as site:
        document = Provider(
            id="x", protocol="s3", host="bucket", endpoint=f"http://{site.host}", credentials=credentials
        )
        with closing(connect(document, secrets=Secrets(environ={"A": "a", "B": "b"}))) as edge:
            assert refused(limited(edge, listing_seconds=0.5)) == LIMITS["listing_seconds"][1]


def test_an_s3_page_without_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)  # it tries again five times
    with s3(lambda _: repeat(b" " * (1 << 20))) as edge:
        assert refused(limited(edge)) == "an answer is longer than 33,554,432 bytes, the most that is read"


def test_a_folder_with_too_many_files_is_told(tmp_path: Path) -> None:
    for number in range(11):
        (tmp_path / f"{number}.tgz").touch()
    with closing(connect(Provider(id="x", protocol="file", host=str(tmp_path)), secrets=Secrets(environ={}))) as edge:
        assert (
            refused(limited(edge, listing_entries=10)) == "the listing has more than 10 entries, the most that is read"
        )


def test_a_list_of_urls_that_is_too_long_is_told(tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_bytes(b"http://x.org/a.tgz\n" * 100)
    with (
        closing(connect(Provider(id="x", protocol="file", host=str(tmp_path)), secrets=Secrets(environ={}))) as edge,
        pytest.raises(NotAListing, match="the listing is longer than 1,000 bytes"),
    ):
        list(limited(edge, listing_bytes=1000).list("urls.txt"))

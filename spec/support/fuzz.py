"""Damaged and hostile texts by kind, made of the pieces that each kind has, and what reads them.

`fuzz` makes many and reads each: whatever comes of it is a value or one sentence. The files of spec/corpus are read
in the same way; each finding becomes one.
"""

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from botocore.awsrequest import AWSResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pileus.discover import discover
from pileus.documents import Collection, File, Provider, Rule, parse, resolve_points
from pileus.download.source import Limits
from pileus.edges.providers import connect
from pileus.edges.providers.ftp import _entries
from pileus.edges.providers.index_page import parse_index_page
from pileus.edges.providers.listing_limits import ListingLimits
from pileus.edges.providers.s3 import S3Edge
from pileus.edges.providers.url_list import parse_url_list
from pileus.edges.secrets import Secrets
from pileus.errors import PileusError
from pileus.expand import expand
from pileus.models import Granule, Listed, Problem, listed
from pileus.names import FileName
from spec.support.fuzz_messages import messages, read_message
from spec.support.fuzz_sftp import sftp_answers, sftp_listing

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
URL = "http://x.org/a/"
NUMBERS = [b"0", b"5", b"-1", b"1e999", b"9" * 19, b"9" * 4301, b"\xd9\xa3", b"00", b"0x1F", b"1.5", b"NaN"]
NAMES = [
    b"x.tgz", b"../x.tgz", b"..", b"/etc/passwd", b"C:\\x", b"a b.tgz", b"%2e%2e%2f", b"%00", b"\xff\xfe", b"\0",
    b"\x1b[2J", b"\xe2\x80\xae", b"x" * 300, b"&#x2f;", b"&#" + b"9" * 4000 + b";", b"&amp", b"?a=1", b"#", b".x.part",
    b"//[x", b"http://[::1", b"x:y", b"\r", b"-", b"=1", b"x.md5", b"a" * 5000,
]  # fmt: skip
DATES = [b"2022-01-05 04:18", b"05-Jan-2022 04:18", b"2022-Foo-99 99:99", b"0000-00-00 00:00", b"Jan 01 2015", b"1e300"]
Run = Callable[[bytes], None]


def _mixed(*pieces: list[bytes], most: int = 40) -> st.SearchStrategy[bytes]:
    """Return texts of pieces in any order, with a little noise between them."""
    every = st.sampled_from([piece for kind in pieces for piece in kind])
    return st.lists(st.one_of(every, every, every, st.binary(max_size=6)), max_size=most).map(b"".join)


TAGS = [
    b"<title>Index of /</title>", b"<title>", b"<h1>", b"</h1>", b"<a href=", b'<a href="', b"<A HREF='", b'">', b"'>",
    b">", b"</a>", b"<a ", b"<td>", b"</td>", b"<", b"<!--", b"-->", b"<script>", b"</script>", b"<style ", b"=", b" ",
    b"&", b"<a href=x.tgz>x</a> ", b"\n", b"K", b"bytes",
]  # fmt: skip
UNIX = [b"-rw-r--r-- 1 a a ", b"drwxr-xr-x 2 a a ", b"lrwxrwxrwx 1 a a ", b"total 5", b" ", b"\r\n", b"\n", b"\r"]
FACTS = [
    b"type=file;", b"type=dir;", b"size=", b"modify=", b"20150101000000", b"00000000000000", b";", b"=", b" ", b"\r\n",
]  # fmt: skip
XML = [
    b"<Contents>", b"</Contents>", b"<Key>", b"</Key>", b"<Size>", b"</Size>", b"<LastModified>", b"</LastModified>",
    b"<ETag>", b"</ETag>", b"<IsTruncated>true</IsTruncated>", b"<NextContinuationToken>t</NextContinuationToken>",
    b"<Contents><Key>x.tgz</Key><Size>5</Size></Contents>", b"<EncodingType>url</EncodingType>", b"&lt;",
    b"<CommonPrefixes/>",
]  # fmt: skip


def _s3_bodies() -> st.SearchStrategy[bytes]:
    inner = st.one_of(_mixed(XML, NAMES, NUMBERS, DATES), _objects())
    return st.one_of(inner, inner.map(lambda text: b"<ListBucketResult>" + text + b"</ListBucketResult>"))


def _objects() -> st.SearchStrategy[bytes]:
    """Return well-formed objects with odd values, which get further than what is not XML."""
    plain = [name.decode("latin-1") for name in NAMES if name.isascii() and name.decode().isprintable()]
    fields = st.tuples(
        st.sampled_from(["Key", "Size", "LastModified", "ETag", "StorageClass"]),
        st.sampled_from([*plain, *(text.decode("latin-1") for text in (*NUMBERS, *DATES)), ""]),
    )
    field = fields.map(lambda two: f"<{two[0]}>{two[1].replace('&', '&amp;')}</{two[0]}>".encode())
    return st.lists(st.lists(field, max_size=4).map(lambda some: b"<Contents>" + b"".join(some) + b"</Contents>")).map(
        b"".join
    )


KEYS = [
    "id", "name", "protocol", "host", "port", "credentials", "type", "username", "env", "files", "regex", "bucket",
    "sampleFileName", "templated_name", "options", "spanUnit", "spanStart", "spanEnd", "points", "exclude",
    "ids", "meta", "group", "by", "process",
    "band", "zones", "range", "rule", "value", "timezone", "collection", "provider_path", "total_seconds", "\\ud800",
    "",
]  # fmt: skip
TEXTS = [
    "x", "https", "http", "ftp", "s3", "file", "basic", "day", "month", "00010101", "99991231", "-999999999 days",
    "week", "dekad", "season", "2015W53", "2015.01.1", "2015-S1-DJF", "201501/201503", "9999SON", "{{id}}", "{{week}}",
    "now", "scheduled", "onetime", "rate(999999999 days)", "rate(1 day)",
    "cron(0 0 31,30,29 2 ? *)", "cron(0 6 * * ? *)",
    "{{pointInTime}}", "{{ x", "{{" * 50, "(?P<a>.*)", "(\\\\w+\\\\s?)+x", "a{99999999999}", "[", "(?=a)(a|a)+b", "UTC",
    "../UTC", "http://[", "me:pw@x", "\\u0000", "\\ud800", "\\u202e", "\x1b", "a" * 5000,
]  # fmt: skip
SCALARS = [number.decode("latin-1") for number in NUMBERS] + [
    "true",
    "false",
    "null",
    "-Infinity",
    "1" + "0" * 50,
    "1e5",
]


def _documents() -> st.SearchStrategy[bytes]:
    text = st.sampled_from(TEXTS).map(lambda one: f'"{one}"')
    leaf = st.one_of(text, text, st.sampled_from(SCALARS))

    def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pair = st.tuples(st.sampled_from(KEYS), inner).map(lambda two: f'"{two[0]}": {two[1]}')
        listing = st.lists(inner, max_size=4).map(lambda some: f"[{', '.join(some)}]")
        return st.one_of(st.lists(pair, max_size=8).map(lambda some: f"{{{', '.join(some)}}}"), listing)

    whole = st.one_of(combined(st.recursive(leaf, combined, max_leaves=20)), _valid_with(leaf))
    damaged = st.tuples(whole, st.integers(0, 60), st.sampled_from(["", "\ufeff", "{", "[" * 200, '"', "\0"])).map(
        lambda three: three[0][: three[1]] + three[2] + three[0][three[1] :]
    )
    encoding = st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-16", "latin-1"])
    return st.tuples(st.one_of(whole, damaged), encoding).map(lambda two: two[0].encode(two[1], "replace"))


def _rule(value: str) -> str:
    return f'{{"type": "scheduled", "value": {value}}}'


def _valid_with(leaf: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return documents that are right but for one value."""
    return st.one_of(
        leaf.map(lambda one: f'{{"id": "x", "protocol": "https", "host": {one}}}'),
        leaf.map(lambda one: f'{{"id": "x", "protocol": "https", "host": "x", "port": {one}}}'),
        leaf.map(lambda one: f'{{"name": "x", "files": [{{"regex": {one}, "sampleFileName": "aaaa"}}]}}'),
        leaf.map(lambda one: f'{{"name": "x", "collection": {{"name": "x"}}, "rule": {_rule(one)}}}'),
        st.tuples(leaf, leaf).map(
            lambda two: '{"name": "x", "templated_name": "x{{pointInTime}}", "files": [{"regex": ".*"}], "options": '
            f'{{"spanStart": {two[0]}, "spanEnd": {two[1]}}}}}'
        ),
    )  # fmt: skip


def read_index_page(body: bytes) -> None:
    """Read a page in pieces."""
    _check_entries(list(parse_index_page(BytesIO(body), URL)))


def read_url_list(body: bytes) -> None:
    """Read a list of URLs."""
    _check_entries(list(parse_url_list(body, URL)))


class _Session:
    """Of a session of FTP, what a listing needs; the bytes come through a socket."""

    def __init__(self, body: bytes, *, mlsd: bool) -> None:
        self._body, self._mlsd = body, mlsd

    def cwd(self, folder: str) -> str:
        return "250 yes"

    def sendcmd(self, command: str) -> str:
        return "211 MLST" if self._mlsd else "211 none"

    def voidresp(self) -> str:
        return "226 done"

    def transfercmd(self, command: str) -> socket.socket:
        ours, theirs = socket.socketpair()

        def send() -> None:
            with theirs, suppress(OSError):
                theirs.sendall(self._body)

        if len(self._body) < 1 << 16:
            send()
        else:
            threading.Thread(target=send, daemon=True).start()
        return ours


def _ftp(body: bytes, *, mlsd: bool) -> None:
    session: Any = _Session(body, mlsd=mlsd)
    found = list(_entries(session, "/", "ftp://x.org/", ListingLimits(Limits(), lambda: 0.0, "ftp://x.org/")))
    _check_entries([listed(name, "ftp://x.org/x", size, modified) for name, size, modified in found])


@lru_cache(1)
def _s3_edge() -> tuple[S3Edge, list[bytes]]:
    """Return an edge whose answers are the last of the list: botocore asks its hooks before it connects."""
    bodies: list[bytes] = []
    edge = connect(
        Provider(id="x", protocol="s3", host="bucket", endpoint="http://127.0.0.1:9"), secrets=Secrets(environ={})
    )
    assert isinstance(edge, S3Edge)

    class Raw(BytesIO):
        def stream(self, **_: Any) -> list[bytes]:
            return [self.read()]

    def answer(request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, 200, {}, Raw(bodies[-1]))

    edge._client.meta.events.register_first("before-send.s3", answer)
    return edge, bodies


def read_s3(body: bytes) -> None:
    """Read a page of an S3 listing as boto3 does; what it tries again it tries at once."""
    edge, bodies = _s3_edge()
    bodies[:] = [body]
    with patch("botocore.endpoint.time.sleep"):
        _check_entries(list(edge.list("")))


def _check_entries(entries: list[Any]) -> None:
    """What is listed is one safe name each, and a collection's regex reads it."""

    class Lister:
        def list(self, path: str) -> Any:
            return iter(entries)

        def describe(self, file: Listed) -> Listed:
            return file

    for found in discover(Lister(), "", [File(regex=r"(?P<a>(\w+\s?)+)\.tgz"), File(regex=r"(?P<b>.*)\.md5")]):
        if isinstance(found, Granule):
            assert isinstance(found.file.name, FileName)
            assert found.file.size is None or 0 <= found.file.size < 10**18
        else:
            assert isinstance(found, Problem)
            assert f"{found.name}{found.detail}".isprintable()


def read_document(body: bytes) -> None:
    """Read a text as each kind of document, and do with it what `populate --check` does."""
    for model in (Collection, Provider, Rule):
        with suppress(PileusError):
            parse(model, body, "x.json")
    try:
        collection = parse(Collection, body, "x.json")
    except PileusError:
        parse(Rule, body, "x.json") if b'"rule"' in body else parse(Provider, body, "x.json")
        return
    if collection.options:
        expand(collection, resolve_points(collection.options, date(2026, 1, 1), "x.json"))


KINDS: Mapping[str, tuple[st.SearchStrategy[bytes], Run]] = {
    "index_page": (_mixed(TAGS, NAMES, NUMBERS, DATES), read_index_page),
    "ftp_list": (_mixed(UNIX, NAMES, NUMBERS, DATES), lambda body: _ftp(body, mlsd=False)),
    "ftp_mlsd": (_mixed(FACTS, NAMES, NUMBERS), lambda body: _ftp(body, mlsd=True)),
    "sftp": (sftp_answers(NAMES), lambda body: _check_entries(sftp_listing(body))),
    "s3": (_s3_bodies(), read_s3),
    "url_list": (_mixed([b"http://x.org/", b"https://", b"\n", b"#", b" ", b"<"], NAMES), read_url_list),
    "documents": (_documents(), read_document),
    "messages": (messages(), read_message),
}


def check(run: Run, body: bytes) -> bool:
    """Read a text. Return whether it was refused, which is with one printable sentence. Any other error is raised."""
    words = ""
    try:
        run(body)
    except PileusError as exc:
        words = str(exc)
    assert words.isprintable(), repr(words)[:300]
    assert len(words) < 2000
    return bool(words)


def fuzz(kind: str, examples: int, *, anew: bool) -> tuple[int, int]:
    """Read so many texts of a kind. Return how many were read, and how many of them were refused.

    `anew`: other texts each time, as a search for what nobody has found yet needs them; else the same ones.
    """
    strategy, run = KINDS[kind]
    counts = [0, 0]

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=not anew,
        suppress_health_check=list(HealthCheck),
    )
    @given(body=strategy)
    def one(body: bytes) -> None:
        counts[0] += 1
        counts[1] += check(run, body)

    one()
    return counts[0], counts[1]

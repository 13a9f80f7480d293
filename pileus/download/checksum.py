"""Checksums of files that arrive in pieces, and checks of the first bytes."""

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from pileus.errors import Corrupt

LENGTHS = {32: "md5", 40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}
"""Algorithms by the number of hexadecimal digits of their value."""
_GZIP, _ZIP = (b"\x1f\x8b",), (b"PK\x03\x04", b"PK\x05\x06")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MAGIC = {"gz": _GZIP, "tgz": _GZIP, "zip": _ZIP, "tif": _TIFF, "tiff": _TIFF}
"""First bytes of files, by the endings of their names."""
PAGES = (".html", ".htm", ".xhtml", ".php", ".asp", ".aspx")
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class _Hasher(Protocol):
    def update(self, block: bytes | memoryview, /) -> None: ...

    def hexdigest(self) -> str: ...


class Cksum:
    """The checksum of the POSIX command `cksum`, as eight hexadecimal digits.

    Its polynomial is zlib's with the bits in reverse order, so zlib computes it from reversed bytes.

    >>> sums = Cksum()
    >>> sums.update(b"123456789")
    >>> int(sums.hexdigest(), 16)
    930766865
    """

    def __init__(self) -> None:
        self._crc, self._length = 0, 0

    def update(self, block: bytes | memoryview, /) -> None:
        self._crc = self._next(self._crc, bytes(block))
        self._length += len(block)

    def hexdigest(self) -> str:
        length = self._length.to_bytes((self._length.bit_length() + 7) // 8, "little")
        crc = self._next(self._crc, length)
        return f"{int(f'{crc:032b}'[::-1], 2) ^ 0xFFFFFFFF:08x}"

    @staticmethod
    def _next(crc: int, block: bytes) -> int:
        return zlib.crc32(block.translate(_REVERSED), crc ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


HASHERS: dict[str, Callable[[], _Hasher]] = {
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
    "cksum": Cksum,
}


class Checksum:
    """The expected checksums of a file, and those of its bytes so far. Computes only what is expected."""

    def __init__(self, expected: str | None = None) -> None:
        self._expected: dict[str, str] = {}
        self._hashers: dict[str, _Hasher] = {}
        self._clean = True
        self._begun: Callable[[], Iterator[memoryview]] | None = None
        self.expect(expected)

    @property
    def idle(self) -> bool:
        """Return whether nothing is computed, so that the bytes need not be read."""
        return not self._hashers

    def expect(self, expected: str | None) -> None:
        """Expect an `algorithm:hex`. An unknown algorithm is ignored; for a known one the first value stays."""
        algorithm, _, value = (expected or "").partition(":")
        if algorithm in HASHERS and algorithm not in self._hashers:
            if self._begun is None and not self._clean:
                return
            hasher = HASHERS[algorithm]()
            if self._begun is not None:
                for block in self._begun():
                    hasher.update(block)
            self._expected[algorithm], self._hashers[algorithm] = value.lower(), hasher

    def begin(self) -> None:
        """Start again at the first byte of the file."""
        self._hashers = {algorithm: HASHERS[algorithm]() for algorithm in self._hashers}
        self._clean, self._begun = True, None

    def begin_with(self, begun: Callable[[], Iterator[memoryview]]) -> None:
        """Start with the bytes that `begun` reads."""
        self._begun = begun
        expected, self._expected, self._hashers = self._expected, {}, {}
        for algorithm, value in expected.items():
            self.expect(f"{algorithm}:{value}")

    def skip(self) -> None:
        """Note that bytes passed which `update` did not get. Allowed only while idle."""
        self._clean, self._begun = False, None

    def update(self, block: memoryview) -> None:
        self.skip()
        for hasher in self._hashers.values():
            hasher.update(block)

    def wrong(self) -> str | None:
        """Return how the bytes differ from an expected checksum; None when they agree."""
        for algorithm, hasher in self._hashers.items():
            if (came := hasher.hexdigest()) != self._expected[algorithm]:
                return f"{algorithm} is {came}, expected {self._expected[algorithm]}"
        return None


def parse_sidecar(text: bytes, url: str, name: str) -> str:
    """Read a checksum file: `algorithm:hex` of the file `name`.

    Accepted: the bare value, `VALUE  NAME` (several lines too), `MD5 (NAME) = VALUE`, and what `cksum` prints.
    Raises Corrupt when it holds no checksum of `name`.

    >>> parse_sidecar(b"d41d8cd98f00b204e9800998ecf8427e *x.tgz", "https://h/x.tgz.md5", "x.tgz")
    'md5:d41d8cd98f00b204e9800998ecf8427e'
    >>> parse_sidecar(b"4294967295 0 x.tgz", "https://h/x.tgz.cksum", "x.tgz")
    'cksum:ffffffff'
    """
    ending = url.rsplit(".", 1)[-1].lower()
    lines = [line.split() for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
    mine = [words for words in lines if any(w.lstrip("*").strip("()").rsplit("/", 1)[-1] == name for w in words)]
    for words in mine or (lines if len(lines) == 1 else []):
        if ending == "cksum" and len(words) >= 2 and words[0].isdecimal() and int(words[0]) < 1 << 32:
            return f"cksum:{int(words[0]):08x}"
        for word in words:
            if re.fullmatch(r"[0-9a-fA-F]+", word) and LENGTHS.get(len(word)) == ending:
                return f"{ending}:{word.lower()}"
    raise Corrupt(f"holds no {ending} of {name}", where=url)


def is_page(content_type: str | None, name: str) -> bool:
    """Return whether the content type is that of a web page although the name is not.

    >>> is_page("text/html; charset=utf-8", "x.tgz"), is_page("text/html", "index.html")
    (True, False)
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind in ("text/html", "application/xhtml+xml") and not name.lower().endswith(PAGES)


def looks_wrong(name: str, first: memoryview) -> str | None:
    """Return why the first bytes cannot be those of a file of this name; None when they can.

    >>> looks_wrong("x.tgz", memoryview(b"<html>"))
    "begins with b'<html>', which no .tgz does"
    """
    _, dot, ending = name.rpartition(".")
    magics = MAGIC.get(ending.lower()) if dot else None
    if magics is None:
        return None
    head = bytes(first[:6])
    fits = head and any(magic.startswith(head) or head.startswith(magic) for magic in magics)
    return None if fits else f"begins with {head!r}, which no .{ending.lower()} does"

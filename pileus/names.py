"""Names that strangers give to files: a name is one safe segment of a path, by construction, or it is not used.

Every name of a listing, of every protocol, and every name that is taken from a URL becomes a `FileName` when its
`Listed` is made. What cannot become one never is a path, a key of S3, a header, a line of a terminal or a cell.
"""

import re
import unicodedata

from pileus.errors import UnsafeName

LONGEST = 235
"""Bytes in UTF-8: 255 is what disks take, and a half file is called `.NAME.XXXXXXXX.part.json`."""
TASK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
"""Names that a project may give its tasks; queues and Lambdas are named after them."""
_DRIVE = re.compile(r"[A-Za-z]:")
_HALF = re.compile(r"\..*\.part(?:\.json)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class FileName(str):
    """A file's name: one segment of a path, of printable characters.

    Raises UnsafeName for anything else:

    1. an empty name, `.` and `..`;
    2. a slash or a backslash, a drive letter such as `C:`;
    3. a control character, a line break, a character that turns the direction of writing, half a character;
    4. more than 235 bytes;
    5. a name of one of our own half files: `.NAME.part` and `.NAME.part.json`.

    >>> FileName("a b.tgz")
    'a b.tgz'
    >>> FileName("../evil.tgz")
    Traceback (most recent call last):
    pileus.errors.UnsafeName: '../evil.tgz': holds a slash
    """

    __slots__ = ()

    def __new__(cls, text: str) -> "FileName":
        if isinstance(text, FileName):
            return text
        if why := _unsafe(text):
            raise UnsafeName(why, where=shown_name(text))
        return super().__new__(cls, text)


def _unsafe(name: str) -> str:
    """Return why a name is not one safe segment; empty for one that is."""
    if not name.strip():
        return "is empty"
    if name in (".", ".."):
        return "names a folder"
    if "/" in name or "\\" in name:
        return "holds a slash" if "/" in name else "holds a backslash"
    if not name.isprintable():
        return "holds a character that cannot be printed"
    if _DRIVE.match(name):
        return "begins with a drive letter"
    if len(name.encode()) > LONGEST:
        return f"is longer than {LONGEST} bytes"
    if _HALF.fullmatch(name):
        return "is what a half file is called here"
    return ""


def shown_name(name: str) -> str:
    r"""Return a stranger's name for a person: in quotes, on one line, without a character that steers a terminal.

    >>> print(shown_name("\x1b[31mred\n.tgz"))
    '\x1b[31mred\n.tgz'
    """
    shown = repr(name)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def is_clean(url: str) -> bool:
    r"""Return whether a URL holds no control character.

    >>> is_clean("https://x.org/a b.tgz"), is_clean("https://x.org/a\r\nHost: b")
    (True, False)
    """
    return _CONTROL.search(url) is None


def printable(text: str) -> str:
    r"""Return a text with each character that steers a terminal, or that nothing can show, written as an escape. Line
    breaks stay.

    >>> print(printable("a\x1b[2Jb\u202e"))
    a\x1b[2Jb\u202e
    """
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or not _unshown(c) else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str, longest: int = 200) -> str:
    r"""Return a stranger's text as part of a message: without line breaks and what steers a terminal, and not long.

    >>> print(one_line("a\nb  c\x1b"))
    a b c\x1b
    """
    shown = printable(" ".join(text.split()))
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."


def _unshown(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")

"""A collection's own regular expressions: what they cost is bounded, whatever they are and whatever names come.

1. RE2, which never goes back, where it reads the pattern as Python does and the name is plain ASCII. Its time grows
   with the name's length alone.
2. Else `regex`, which reads patterns as Python's `re` does and goes back, under a limit of time. That is for what RE2
   has not (looking ahead, references) and for names that are not ASCII, where `\\w` and `\\d` of RE2 mean less.
"""

import re
import time
from typing import Any

import re2
import regex

from pileus.errors import DocumentError

LONGEST = 2000
"""Characters of a pattern."""
SECONDS = 1.0
"""For one name, where the pattern needs an engine that goes back."""
ALL_SECONDS = 60.0
"""For all names of one listing, in that engine."""
_READ_OTHERWISE = re.compile(r"\{,|\[:|\[\[|--|&&|\|\||~~")
"""What RE2 reads, but not as `re` does: {,3} and [[:alpha:]]; and what both say may change."""
_TWO_BRACES = re.compile(r"(?<!\\)\{\{(?= *[A-Za-z_])")
"""With what `{{id}}` of a template begins: plain characters to `re`, and to `regex` a number of errors to allow."""
_NAMED = re.compile(r"(?<!\\)\(\?<(?=[A-Za-z_])")
"""With what a named group begins in JavaScript."""
_QUIET = re2.Options()
_QUIET.log_errors = False


class _Pattern:
    """A regular expression and its two engines."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        if len(pattern) > LONGEST:
            raise DocumentError(f"a regular expression of {len(pattern):,} characters: {LONGEST:,} are the most")
        pattern = _NAMED.sub("(?P<", pattern)
        try:
            read = re.compile(pattern)
            self.names, self.groups = tuple(read.groupindex), read.groups
            self._full = regex.compile(_TWO_BRACES.sub(r"\{\{", pattern))
        except (re.error, regex.error, RecursionError, OverflowError) as exc:
            raise DocumentError(f"not a regular expression: {str(exc)[:200]}") from exc
        self._linear = _linear(pattern)
        self._left = ALL_SECONDS

    def renew(self, seconds: float) -> None:
        """Give all names that come from now on so many seconds in the engine that goes back."""
        self._left = seconds

    @property
    def is_linear(self) -> bool:
        """Whether no name takes long."""
        return self._linear is not None

    def _found(self, name: str, *, whole: bool) -> Any:
        """Return the match. Raises DocumentError when that takes too long."""
        if self._linear is not None and name.isascii() and name.isprintable():
            return self._linear.fullmatch(name) if whole else self._linear.search(name)
        begun = time.monotonic()
        try:
            limit = min(SECONDS, self._left)
            return self._full.fullmatch(name, timeout=limit) if whole else self._full.search(name, timeout=limit)
        except TimeoutError as exc:
            words = "takes too long for the name of a file: avoid a repetition inside of a repetition"
            raise DocumentError(f"the regular expression {words} (the name: {name!r})", where=self.pattern) from exc
        finally:
            self._left = max(1e-3, self._left - (time.monotonic() - begun))


class NamePattern(_Pattern):
    """A pattern that a whole file name must match, for one listing. Raises DocumentError for what is none.

    >>> NamePattern(r"(?P<tile>[A-Z]+)(?P<part>_[0-9])?[.]tgz").parts("AB.tgz")
    {'tile': 'AB', 'part': ''}
    """

    def parts(self, name: str) -> dict[str, str] | None:
        """Return the named groups of a name that matches as a whole, None for another. A group without a part is empty.

        Raises DocumentError when that takes too long.
        """
        match = self._found(name, whole=True)
        return None if match is None else {name: match[name] or "" for name in self.names}


class SearchPattern(_Pattern):
    """A pattern that is looked for anywhere in a name, as Cumulus does. Raises DocumentError for what is none.

    >>> SearchPattern("(.*)[.](hdf|xml)").first("a.hdf.met")
    'a'
    """

    def first(self, name: str) -> str | None:
        """Return what the first group matches, without a group all that matches; None where nothing does.

        Raises DocumentError when that takes too long.
        """
        match = self._found(name, whole=False)
        return None if match is None else str(match[1 if self.groups else 0] or "")


def _linear(pattern: str) -> "re2._Regexp[str] | None":
    if not pattern.isascii() or _READ_OTHERWISE.search(pattern):
        return None
    try:
        return re2.compile(pattern, options=_QUIET)
    except re2.error:
        return None

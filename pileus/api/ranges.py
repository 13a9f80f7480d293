"""Which bytes of a file a Range header asks for (RFC 9110)."""

import re

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def asked(header: str, size: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last. None: all of them, as for several ranges, or other units.

    An empty range is one that the file does not have.

    >>> asked("bytes=0-99", 1000), asked("bytes=900-", 1000), asked("bytes=-100", 1000)
    ((0, 100), (900, 1000), (900, 1000))
    >>> asked("bytes=1000-", 1000), asked("bytes=0-1,5-6", 1000), asked("", 1000)
    ((1000, 1000), None, None)
    """
    found = _RANGE.fullmatch(header.replace(" ", ""))
    if not found or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    start = min(int(first), size)
    return start, max(start, min(int(last) + 1, size) if last else size)

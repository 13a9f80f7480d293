"""Streams: bytes that are read once, from front to back; and gunzip in a second thread."""

import zipfile
import zlib
from functools import cached_property
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, BinaryIO, Protocol

from isal import isal_zlib
from isal.igzip import BadGzipFile

from pileus.errors import ArchiveError
from pileus.stopping import Check, go_on

CHUNK = 1 << 20
"""Bytes unpacked at a time."""
AHEAD = 6
"""Most chunks that the gunzip thread unpacks before they are read."""
_DAMAGE: Any = (EOFError, zlib.error, BadGzipFile, isal_zlib.error, zipfile.BadZipFile)


class Reader(Protocol):
    """The one method that a stream must have."""

    def readinto(self, view: memoryview, /) -> int:
        """Fill `view` with the bytes that are there now, and return their number; 0 only at the end."""


class Forward:
    """Bytes that are read once, from front to back, and counted against a limit.

    `check` is called before each read; what it raises ends the reading.
    """

    def __init__(self, reader: Reader, where: str, limit: int, check: Check = go_on) -> None:
        self._reader, self._check = reader, check
        self.where = where
        self.limit = limit
        self.at = 0
        """Bytes read so far."""

    @cached_property
    def _spare(self) -> memoryview:
        """Return where bytes go that nobody wants."""
        return memoryview(bytearray(CHUNK))

    def some(self, view: memoryview) -> int:
        """Read up to len(view) bytes; 0 at the end."""
        self._check()
        try:
            n = self._reader.readinto(view)
        except _DAMAGE as exc:
            raise ArchiveError(_explain(exc), where=self.where) from exc
        self.at += n
        if self.at > self.limit:
            raise ArchiveError(f"unpacks to more than {self.limit:,} bytes: refused", where=self.where)
        return n

    def fill(self, view: memoryview) -> None:
        """Fill `view`. Raises ArchiveError when the stream ends early."""
        done = 0
        while done < len(view):
            n = self.some(view[done:])
            if n == 0:
                raise ArchiveError(f"is cut: ends after {self.at:,} unpacked bytes, inside a file", where=self.where)
            done += n

    def read(self, size: int) -> bytes:
        """Return `size` bytes. Raises ArchiveError when the stream ends early."""
        data = bytearray(size)
        self.fill(memoryview(data))
        return bytes(data)

    def skip(self, size: int) -> None:
        """Skip `size` bytes. Raises ArchiveError when the stream ends early."""
        while size > 0:
            step = min(size, CHUNK)
            self.fill(self._spare[:step])
            size -= step

    def drain(self) -> None:
        """Read to the end, so that the checksum there is verified."""
        while self.some(self._spare):
            pass


def _explain(exc: Exception) -> str:
    text = str(exc)
    if isinstance(exc, EOFError) or "ended before" in text or "truncated" in text:
        return "is cut: its compressed stream ends early"
    if "CRC" in text:
        return "is damaged: its checksum (CRC) does not match its content"
    if "Incorrect length" in text:
        return "is damaged: its length does not match its content"
    return f"is damaged: {text or type(exc).__name__}"


class Whole:
    """A binary file as a Reader, for files that have only `read`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readinto(self, view: memoryview) -> int:
        into = getattr(self._file, "readinto", None)
        if into is not None:
            return int(into(view) or 0)
        data = self._file.read(len(view))
        view[: len(data)] = data
        return len(data)


class Pushback:
    """A Reader that returns some bytes again that were read before."""

    def __init__(self, head: bytes, rest: Reader) -> None:
        self._head, self._rest = head, rest

    def readinto(self, view: memoryview) -> int:
        if not self._head:
            return self._rest.readinto(view)
        n = min(len(view), len(self._head))
        view[:n] = self._head[:n]
        self._head = self._head[n:]
        return n

    def read(self, size: int = -1) -> bytes:
        """Return what the gunzip reader asks for."""
        data = bytearray(CHUNK if size < 0 else size)
        return bytes(data[: self.readinto(memoryview(data))])


class Part:
    """A Reader of the next `size` bytes of a stream."""

    def __init__(self, stream: Forward, size: int) -> None:
        self._stream, self.left = stream, size

    def readinto(self, view: memoryview) -> int:
        if self.left == 0:
            return 0
        view = view[: self.left]
        n = self._stream.some(view)
        if n == 0:
            raise EOFError
        self.left -= n
        return n


class Gunzip:
    """Gunzip in a second thread, some chunks before they are read. isal lets other threads run in the meantime.

    Not `isal.igzip_threaded`: reading through its buffer took a fifth longer, and at the end of the data its thread may
    end between two checks of its reader.
    """

    def __init__(self, source: Any) -> None:
        self._full: Queue[tuple[memoryview, int] | BaseException] = Queue(AHEAD)
        self._free: Queue[memoryview] = Queue()
        for _ in range(AHEAD):
            self._free.put(memoryview(bytearray(CHUNK)))
        self._chunk, self._at, self._end = memoryview(b""), 0, 0
        self._whole: memoryview | None = None
        self._done = False
        self._stop = Event()
        self._thread = Thread(target=self._run, args=(source,), name="gunzip", daemon=True)
        self._thread.start()

    def _run(self, source: Any) -> None:
        try:
            reader = isal_zlib._GzipReader(source, CHUNK)
            while not self._stop.is_set():
                try:
                    chunk = self._free.get(timeout=0.1)
                except Empty:
                    continue
                n = reader.readinto(chunk)
                self._send((chunk, n))
                if n == 0:
                    return
        except BaseException as exc:  # noqa: BLE001  (it is raised again by the reader)
            self._send(exc)

    def _send(self, item: tuple[memoryview, int] | BaseException) -> None:
        while not self._stop.is_set():
            try:
                self._full.put(item, timeout=0.1)
                return
            except Full:
                continue

    def readinto(self, view: memoryview) -> int:
        if self._at == self._end and not self._done:
            if self._whole is not None:
                self._free.put(self._whole)
                self._whole = None
            item = self._full.get()
            if isinstance(item, BaseException):
                self._done = True
                raise item
            self._whole, self._end = item
            self._chunk, self._at = self._whole, 0
            self._done = self._end == 0
        n = min(len(view), self._end - self._at)
        view[:n] = self._chunk[self._at : self._at + n]
        self._at += n
        return n

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


class Rest:
    """A Reader of what is left of a stream."""

    def __init__(self, stream: Forward) -> None:
        self._stream = stream

    def readinto(self, view: memoryview) -> int:
        return self._stream.some(view)

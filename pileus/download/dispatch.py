"""Dispatch: many files at once over the connections of one edge.

A file is fetched by a thread, which waits for its bytes. With small files more time would go into changes of threads
than into bytes, so one thread, the dispatcher, asks for them over all open and idle connections, and takes what comes.
What turns out to be large, late, wrong or anything but a small file is handed to a thread with what came of it, which
goes on as if it had asked itself. Connections are opened by threads alone: that waits for a lease, a host and TLS.
"""

import os
import select
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from pileus.download.small_files import MOST, SmallFiles
from pileus.download.source import Asked, Asker, Cancellation, Limits, NotSmall, Opener, Response
from pileus.download.transfer import BLOCK
from pileus.errors import PileusError
from pileus.models import Archive, Granule

LINGER = 1.5
"""Seconds that a stopped thread gets to close its connection."""
LATE = 1.0
"""Seconds after which a thread waits for an answer: it says why when none comes."""
LOOK = 0.2
"""Seconds between two looks for what is late or cancelled."""
FetchOne = Callable[[int, Opener, memoryview], Archive]
"""Fetches the granule of an index from an opener, through a buffer. Raises what `fetch` raises."""


class Dispatch:
    """The fetching of some granules, in threads of its own. The results are taken by one thread."""

    def __init__(
        self,
        granules: Sequence[Granule],
        edge: Opener,
        small: SmallFiles,
        fetch_one: FetchOne,
        left: threading.Event,
        *,
        parallel: int,
    ) -> None:
        """`small`: keeps small files. `left`: set by `stop`, and ends `fetch_one`."""
        self._granules, self._edge, self._small, self._fetch_one = granules, edge, small, fetch_one
        self._asker = edge if isinstance(edge, Asker) else None
        self._left, self._most = left, max(1, min(parallel, len(granules)))
        self._todo: deque[int] = deque(range(len(granules)))
        self._ended: deque[tuple[int, Archive | BaseException]] = deque()
        self._news = threading.Event()
        self._handed: SimpleQueue[tuple[int, Asked | None] | None] = SimpleQueue()
        self._bell = _Bell()
        self._busy = 0
        """Threads that have a file; each that is done rings the bell."""
        self._awaited: dict[int, tuple[int, Asked, float]] = {}
        """What was asked for, by the connection's descriptor: index, what was asked, and when."""
        self._room = memoryview(bytearray(BLOCK))
        self._poll = select.poll()
        # Daemon threads: one that waits for a connection must not keep a cancelled process alive.
        self._dispatcher = threading.Thread(target=self._run, daemon=True)
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        self._dispatcher.start()

    def next(self, cancellation: Cancellation) -> tuple[int, Archive | BaseException]:
        """Return the index and the result of the next that ended. Raises the reason when cancelled.

        Failures and the end of all wake this thread; else it checks every 0.1 s. To wake it for each small file would
        take longer than the file.
        """
        while True:
            cancellation.check()
            if self._ended:
                return self._ended.popleft()
            self._news.wait(0.1)
            self._news.clear()

    def stop(self) -> None:
        """End the threads, and wait a little for them."""
        self._left.set()
        self._bell.ring()
        for thread in (self._dispatcher, *self._threads):
            thread.join(timeout=LINGER)

    def _run(self) -> None:
        self._poll.register(self._bell.fileno(), select.POLLIN)
        looked = self._edge.now()
        try:
            while (self._todo or self._awaited or self._busy) and not self._left.is_set():
                self._fill()
                for descriptor, _ in self._poll.poll(LOOK * 1000):
                    if descriptor in self._awaited:
                        self._take(descriptor)
                    else:
                        self._busy -= self._bell.answer()
                if (now := self._edge.now()) - looked >= LOOK:
                    looked = now
                    self._hand_late(now)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            self._ended.append((-1, error))
        finally:
            for _, asked, _ in self._awaited.values():
                asked.close()
            for _ in self._threads:
                self._handed.put(None)
            self._bell.close()
            self._news.set()

    def _fill(self) -> None:
        """Begin as many files as may be under way at once."""
        while self._todo and len(self._awaited) + self._busy < self._most:
            try:
                index = self._todo.popleft()
            except IndexError:
                return
            if (asked := self._ask(index)) is None:
                self._hand(index, None)
            else:
                descriptor = asked.fileno()
                self._awaited[descriptor] = index, asked, self._edge.now()
                self._poll.register(descriptor, select.POLLIN)

    def _ask(self, index: int) -> Asked | None:
        granule = self._granules[index]
        if self._asker is None or not self._small.may_be(granule):
            return None
        try:
            return self._asker.ask(granule.file.url)
        except PileusError:
            return None  # the thread meets it again, and says so

    def _take(self, descriptor: int) -> None:
        """Read what has come over a connection."""
        index, asked, _ = self._awaited[descriptor]
        granule = self._granules[index]
        try:
            small = asked.read(self._room)
        except NotSmall:
            self._forget(descriptor)
            self._hand(index, asked)
            return
        if small is None:
            return
        self._forget(descriptor)
        try:
            if not self._small.is_right(granule, small):
                asked.hold()
                self._hand(index, asked)
                return
            asked.done()
            self._fill()  # the provider works while this file is written
            if archive := self._small.write(granule, small):
                self._ended.append((index, archive))
            else:
                self._hand(index, None)
        except BaseException as error:  # noqa: BLE001 - as of a thread
            self._fail(index, error)

    def _fail(self, index: int, error: BaseException) -> None:
        self._ended.append((index, error))
        self._news.set()

    def _forget(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        del self._awaited[descriptor]

    def _hand_late(self, now: float) -> None:
        for descriptor, (index, asked, when) in list(self._awaited.items()):
            if now - when >= LATE:
                self._forget(descriptor)
                self._hand(index, asked)

    def _hand(self, index: int, asked: Asked | None) -> None:
        """Have a file fetched by a thread."""
        self._busy += 1
        if self._busy > len(self._threads):
            self._threads.append(threading.Thread(target=self._work, daemon=True))
            self._threads[-1].start()
        self._handed.put((index, asked))

    def _work(self) -> None:
        """Fetch what is handed over, and after a large file the next at once."""
        block = memoryview(bytearray(BLOCK))
        while (handed := self._handed.get()) is not None:
            index: int | None
            index, asked = handed
            while index is not None:
                size = self._fetch(index, asked, block)
                index, asked = self._another(size), None
            self._bell.ring()

    def _fetch(self, index: int, asked: Asked | None, block: memoryview) -> int | None:
        """Fetch one file. Return its size, None after a failure."""
        opener = _Begun(self._edge, asked) if asked else self._edge
        try:
            archive = self._fetch_one(index, opener, block)
        except BaseException as error:  # noqa: BLE001 - raised again, or yielded, by the thread that waits
            self._fail(index, error)
            return None
        finally:
            if isinstance(opener, _Begun):
                opener.close()
        self._ended.append((index, archive))
        return archive.size

    def _another(self, size: int | None) -> int | None:
        """Return the file for a thread that has fetched one of `size`; None where the dispatcher has the next."""
        if self._left.is_set() or (self._asker and size is not None and size < MOST):
            return None
        try:
            return self._todo.popleft()
        except IndexError:
            return None


class _Begun:
    """An opener that was asked for its first file already."""

    def __init__(self, edge: Opener, asked: Asked) -> None:
        self._edge = edge
        self._asked: Asked | None = asked

    @property
    def limits(self) -> Limits:
        return self._edge.limits

    def open(
        self, url: str, offset: int = 0, validator: str | None = None, *, pulse: Callable[[], None] | None = None
    ) -> Response:
        asked, self._asked = self._asked, None
        return asked.open(pulse) if asked else self._edge.open(url, offset, validator, pulse=pulse)

    def now(self) -> float:
        return self._edge.now()

    def rest(self) -> None:
        self._edge.rest()

    def close(self) -> None:
        """Close what was asked for, and never opened."""
        if self._asked:
            self._asked.close()


class _Bell:
    """Wakes a thread that polls. May be rung by any thread, and at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._out, self._in = os.pipe()
        self._open = True

    def fileno(self) -> int:
        return self._out

    def ring(self) -> None:
        with self._lock:
            if self._open:
                os.write(self._in, b".")

    def answer(self) -> int:
        """Return how often it was rung."""
        return len(os.read(self._out, 1 << 10))

    def close(self) -> None:
        with self._lock:
            self._open = False
            os.close(self._in)
            os.close(self._out)

"""Pumps: the bytes of files that arrive, from the worker's connections into pipes that a child reads."""

import os
import threading
import time
from collections.abc import Callable
from typing import BinaryIO

from pileus.pipes import large_pipe
from pileus.stopping import Check
from pileus.unpack.streams import Whole

BLOCK = 1 << 19
"""Bytes that are read and written at once."""
FADE = 0.8
"""What counts of earlier waiting after each block: about the last five count."""
LINGER = 1.5
"""Seconds that a thread gets to end when its bytes are wanted no more."""


class Pumps:
    """The pipes of one job, a thread each. A pipe ends only when its file has come whole and is verified."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._threads: list[threading.Thread] = []
        self._failed: BaseException | None = None
        self._closed = threading.Event()
        self._waits: dict[str, tuple[float, float]] = {}
        """Of each file that is coming: recent seconds in which its provider, and the child, were waited for."""

    def check(self) -> None:
        """Raise what ended a file, and what the job's own check raises."""
        if self._failed is not None:
            raise self._failed
        self._check()

    def begin(self, name: str, open_stream: Callable[[], BinaryIO]) -> int:
        """Return the end of a new pipe from which a file can be read. The caller closes it."""
        reader, writer = large_pipe()
        thread = threading.Thread(target=self._run, args=(name, open_stream, writer), name=f"pump {name}", daemon=True)
        self._threads.append(thread)
        thread.start()
        return reader

    @property
    def wait_for_providers(self) -> bool:
        """Return whether the files that are coming wait for their provider most of the time, and the child for them."""
        waits = list(self._waits.values())
        provider, child = (sum(column) for column in zip(*waits, strict=True)) if waits else (0.0, 0.0)
        return provider > 3 * child

    def _run(self, name: str, open_stream: Callable[[], BinaryIO], writer: int) -> None:
        block = memoryview(bytearray(BLOCK))
        try:
            with open_stream() as stream:
                reader, before = Whole(stream), time.monotonic()
                while (count := reader.readinto(block)) and not self._closed.is_set():
                    came = time.monotonic()
                    self._write(writer, block[:count])
                    gone = time.monotonic()
                    provider, child = self._waits.get(name, (0.0, 0.0))
                    self._waits[name] = provider * FADE + came - before, child * FADE + gone - came
                    before = gone
        except BrokenPipeError:
            pass  # the child has ended, or wants no more
        except BaseException as error:  # noqa: BLE001  (raised again by `check`, in the thread that waits)
            self._failed = self._failed or error
            self._closed.wait()  # a child must not take the failure for the end of the file
        finally:
            self._waits.pop(name, None)
            os.close(writer)

    @staticmethod
    def _write(writer: int, block: memoryview) -> None:
        while block:
            block = block[os.write(writer, block) :]

    def close(self) -> None:
        """End the threads. The child must have ended, or have read all that it wants."""
        self._closed.set()
        for thread in self._threads:
            thread.join(LINGER)

"""The fork server and its children, as the worker holds them."""

import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pileus.cell.channel import SAID, Channel, Closed
from pileus.cell.confine import Limits, hide
from pileus.errors import Unavailable
from pileus.stopping import Check, go_on

log = logging.getLogger("pileus.worker")
KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "MPLCONFIGDIR",
    "PILEUS_SCRATCH",
    "PILEUS_TASKS",
    "NUMBA_",
    "GDAL_",
    "PROJ_",
    "CPL_",
)
"""Variables of the worker that the cell has too: these, and all that begin with one that ends in `_`."""
PLAIN = {
    "OPENBLAS_NUM_THREADS": "1",  # a fork server has one thread
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # memory of buffers is used again, which a short job would not learn
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
}
"""Variables that the cell gets beside those."""
END_SECONDS = 5
"""Longest wait for the end of a process that was told to end."""


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the cell gets: no credentials, no secrets, no proxy.

    >>> sorted(environment({"AWS_SECRET_ACCESS_KEY": "x", "HOME": "/", "GDAL_SKIP": "VRT", "GDAL_HTTP_USERPWD": "x"}))
    ['GDAL_SKIP', 'HOME', 'MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_', 'OPENBLAS_NUM_THREADS', 'PYTHONPATH']
    """
    groups = tuple(name for name in KEPT if name.endswith("_"))
    kept = {name: value for name, value in environ.items() if name in KEPT or name.startswith(groups)}
    for name in [name for name in kept if "HTTP" in name or "CURL" in name]:
        if name != "CPL_VSIL_CURL_ALLOWED_EXTENSIONS":
            del kept[name]
    code = os.pathsep.join(dict.fromkeys([str(Path(__file__).resolve().parents[2]), *filter(None, sys.path)]))
    return kept | {"PYTHONPATH": code} | PLAIN


@dataclass
class Child:
    """One child, which does the jobs of one collection."""

    purpose: str
    number: int
    """Its process."""
    handle: int
    """Its pidfd."""
    channel: Channel
    jobs: int = 0
    keys: set[str] = field(default_factory=set)
    """Of the indexes that it was given."""

    @property
    def dead(self) -> bool:
        """Whether it has ended."""
        return _ended(self.handle, 0)

    def kill(self) -> None:
        """End it at once, and wait until it is dead: it writes nothing more."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        _ended(self.handle, END_SECONDS)
        self.close()

    def close(self) -> None:
        """Let go of it; a child that waits for a job then ends."""
        self.channel.close()
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1


def _ended(handle: int, seconds: float) -> bool:
    """Wait for the end of a process, and return whether it has come."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


class Servant:
    """The fork server. Starts at once, and is started again when it has died."""

    def __init__(self, environ: Mapping[str, str], scratch: Path, limits: Limits) -> None:
        self._environ, self._scratch, self._limits = environment(environ), scratch, limits
        self._ended: dict[int, int] = {}
        self._greeted = False
        self._start()

    def _start(self) -> None:
        ours, its = socket.socketpair()
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "pileus.cell.server", str(its.fileno())],
                env=self._environ,
                pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._control, self._greeted = Channel(ours), False

    @property
    def number(self) -> int:
        """Its process."""
        return self._process.pid

    def child(self, purpose: str, check: Check) -> Child:
        """Return a new child. Raises Unavailable when none can be started, and what `check` raises."""
        for last in (False, True):
            try:
                return self._child(purpose, check)
            except Closed as exc:
                self._end()
                if last:
                    raise Unavailable("the process that opens files cannot be started: see `pileus doctor`") from exc
                log.warning("the cell ended: starting it again")
                self._start()
        raise AssertionError

    def _child(self, purpose: str, check: Check) -> Child:
        self._greet(check)
        ours, its = socket.socketpair()
        with its:
            order = {"limits": asdict(self._limits), "scratch": str(self._scratch)}
            self._control.send(order, files=[its.fileno()])
        try:
            while True:
                answer, _, files = self._control.receive_files()
                if "child" in answer:
                    return Child(purpose, answer["child"], files[0], Channel(ours, SAID))
                self._ended[answer["ended"]] = answer["status"]
        except BaseException:
            ours.close()
            raise

    def _greet(self, check: Check) -> None:
        """Wait until the server is ready; log once what it could not take away."""
        if self._greeted:
            return
        self._control.check = check
        try:
            hello, _ = self._control.receive()
        finally:
            self._control.check = go_on
        self._greeted = True
        if hello["missing"]:
            hide()
            log.warning("the cell is not complete", extra={"missing": hello["missing"]})

    def status_of(self, child: Child) -> int | None:
        """Return how a dead child ended, as `os.waitpid` says; None when it is not known in time."""
        with suppress(Closed, TimeoutError):
            self._control.check = _within(END_SECONDS)
            while child.number not in self._ended:
                answer, _, _ = self._control.receive_files()
                if "ended" in answer:
                    self._ended[answer["ended"]] = answer["status"]
        self._control.check = go_on
        return self._ended.pop(child.number, None)

    def _end(self) -> None:
        self._control.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """End the server and its children."""
        self._end()


def _within(seconds: float) -> Check:
    """Return a check that raises TimeoutError after some time."""
    until = time.monotonic() + seconds

    def check() -> None:
        if time.monotonic() > until:
            raise TimeoutError

    return check


def lacking() -> list[str]:
    """Return what this machine cannot take away from a cell, a sentence each."""
    command = [sys.executable, "-P", "-m", "pileus.cell.confine"]
    done = subprocess.run(command, env=environment(os.environ), capture_output=True, text=True, timeout=60, check=False)
    try:
        found: list[Any] = json.loads(done.stdout)
    except ValueError:
        return ["no confined process can be started"]
    return [str(one) for one in found]

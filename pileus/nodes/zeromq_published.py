"""What a ZeroMQ node publishes: where the requests stand that came to it, and their results to those who subscribed."""

import threading
import time
from dataclasses import dataclass

import zmq

from pileus.errors import NotFound, PileusError
from pileus.models import State
from pileus.nodes.zeromq_files import in_pieces
from pileus.nodes.zeromq_messages import progress_value
from pileus.stratus.service import NETCDF, Progress, Service
from pileus.strict_json import plain_json

MOST = 10_000
"""Requests that are followed at one time; of more, the oldest is not published any longer."""
QUICKEST, SLOWEST = 0.02, 1.0
"""Seconds between two looks at a request: at first, and after some time."""


@dataclass(slots=True)
class _Followed:
    due: float
    pause: float = QUICKEST
    said: Progress | None = None


class Published:
    """Follows requests until they end. `follow` may be called from any thread; `run` alone uses the socket."""

    def __init__(self, service: Service, publisher: "zmq.Socket[bytes]") -> None:
        self._service, self._publisher = service, publisher
        self._followed: dict[str, _Followed] = {}
        self._subscribed: set[bytes] = set()
        self._lock = threading.Lock()
        self._came = threading.Event()

    def follow(self, rid: str) -> None:
        """Publish what becomes of a request."""
        with self._lock:
            self._followed[rid] = _Followed(time.monotonic())
            if len(self._followed) > MOST:
                del self._followed[next(iter(self._followed))]
        self._came.set()

    def run(self, ended: threading.Event) -> None:
        """Publish until `ended`."""
        while not ended.is_set():
            self._hear()
            with self._lock:
                now = time.monotonic()
                due = [rid for rid, one in self._followed.items() if one.due <= now]
            for rid in due:
                self._look(rid)
            with self._lock:
                soonest = min((one.due for one in self._followed.values()), default=now + 0.2)
            self._came.wait(min(max(soonest - time.monotonic(), 0), 0.2))
            self._came.clear()

    def _hear(self) -> None:
        """Learn who subscribed to what."""
        while self._publisher.poll(0):
            told = self._publisher.recv()
            (self._subscribed.add if told[:1] == b"\1" else self._subscribed.discard)(told[1:])

    def _look(self, rid: str) -> None:
        with self._lock:
            followed = self._followed.get(rid)
        if followed is None:
            return
        try:
            progress = self._service.find(rid)
            if progress != followed.said:
                followed.said, followed.pause = progress, QUICKEST
                self._say(f"{rid}!status", progress_value(progress))
            if progress.state is State.succeeded:
                self._results(progress)
        except NotFound:
            self._forget(rid, followed)
        except PileusError:
            followed.due = time.monotonic() + SLOWEST
        else:
            followed.pause = min(followed.pause * 1.5, SLOWEST)
            followed.due = time.monotonic() + followed.pause
            if progress.state.ended:
                self._forget(rid, followed)

    def _forget(self, rid: str, followed: _Followed) -> None:
        with self._lock:
            if self._followed.get(rid) is followed:
                del self._followed[rid]

    def _results(self, progress: Progress) -> None:
        topic = f"{progress.rid}!result"
        if not any(topic.encode().startswith(one) for one in self._subscribed):
            return
        for name in progress.outputs:
            number, waiting = 0, None
            for piece in in_pieces(self._service.result(progress.rid, name, NETCDF)):
                if waiting is not None:
                    self._say(topic, {"name": name, "number": number, "last": False}, waiting)
                    number += 1
                waiting = piece
            self._say(topic, {"name": name, "number": number, "last": True}, waiting or b"")

    def _say(self, topic: str, value: object, piece: bytes | None = None) -> None:
        frames = [topic.encode(), plain_json(value).encode()]
        self._publisher.send_multipart(frames if piece is None else [*frames, piece])

"""A ZeroMQ face of a service: questions on one port, where requests stand and their results published on the other.

Questions wait in the socket, each client's in a line of its own of which one at a time is taken in turn; a few threads
answer them. Who does not read loses its answers, and holds nobody. Without keys it listens on 127.0.0.1 alone; with
keys who has none, or one that is not in the folder, gets no answer.
"""

import queue
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import zmq
from zmq.utils import z85

from pileus.errors import StoreError, UsageError
from pileus.nodes.served import Served
from pileus.nodes.settings import HERE
from pileus.nodes.zeromq_answers import Answers
from pileus.nodes.zeromq_keys import KeyFolder
from pileus.nodes.zeromq_messages import LARGEST, REQUEST_PORT, RESPONSE_PORT
from pileus.nodes.zeromq_published import Published
from pileus.stratus.service import Service

THREADS = 8
WAITING = 16
"""Messages that are kept for one client, in each direction."""
_LOOK = 200
"""Milliseconds between two looks at whether to stop."""
_ASKS, _DOOR = "inproc://asks", "inproc://zeromq.zap.01"


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a server listens, and to whom. Raises UsageError for an address that others reach, without keys."""

    host: str = "127.0.0.1"
    request_port: int = REQUEST_PORT
    response_port: int = RESPONSE_PORT
    keys: KeyFolder | None = None
    """Whom it knows, and its own key; None: there is no encryption, and everybody is let in."""
    key: str = "server"
    """Name of its own key in the folder."""

    def __post_init__(self) -> None:
        if self.keys is None and self.host not in ("127.0.0.1", "localhost"):
            raise UsageError(
                f"{self.host}: without keys a ZeroMQ node listens on this machine alone (127.0.0.1): name a "
                "folder in keys, and make keys with `pileus node keys new NAME`"
            )


def serve(served: Served) -> None:
    """Answer for a node, as its section `[stratus]` says, until it is told to stop."""
    this = served.settings.this
    folder = this.path("keys")
    listen = Listen(
        this.text("host", this.text("client_address", HERE)),
        this.number("request_port", this.number("port", REQUEST_PORT)),
        this.number("response_port", RESPONSE_PORT),
        KeyFolder(folder) if folder else None,
        this.text("key", "server"),
    )
    known = f"to those whose keys are in {folder}" if folder else "without encryption"
    where = f"tcp://{listen.host}:{listen.request_port}, and publishes on {listen.response_port}, {known}"
    answer(served.service, listen, served.stopping, lambda: served.say(f"listens on {where}"))


def answer(
    service: Service, listen: Listen, stopping: threading.Event, ready: Callable[[], None] | None = None
) -> None:
    """Answer until `stopping` is set. `ready` is called once it listens. Raises UsageError where it cannot listen."""
    ended = threading.Event()
    questions: queue.Queue[list[bytes]] = queue.Queue(THREADS)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pileus-zeromq-")))
        context = stack.enter_context(zmq.Context())
        context.setsockopt(zmq.LINGER, 0)
        front, publisher = (stack.enter_context(_socket(context, kind, listen)) for kind in (zmq.ROUTER, zmq.XPUB))
        back = stack.enter_context(context.socket(zmq.PULL))
        back.bind(_ASKS)
        threads = _Threads(ended)
        stack.callback(threads.end)  # before the sockets are closed
        if keys := listen.keys:
            threads.start(lambda: _guard(context, keys, ended))
        _bind(front, listen, listen.request_port)
        _bind(publisher, listen, listen.response_port)
        published = Published(service, publisher)
        answers = Answers(service, folder, published.follow)
        for _ in range(THREADS):
            threads.start(lambda: _work(context, answers, questions, ended))
        threads.start(lambda: published.run(ended))
        if ready:
            ready()
        _pass(front, back, questions, listen.keys, stopping, threads)


class _Threads:
    """Threads that run until `ended` is set."""

    def __init__(self, ended: threading.Event) -> None:
        self._ended, self._threads = ended, list[threading.Thread]()

    def start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name="zeromq", daemon=True)
        thread.start()
        self._threads.append(thread)

    def alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


def _socket(context: "zmq.Context[zmq.Socket[bytes]]", kind: int, listen: Listen) -> "zmq.Socket[bytes]":
    """Return a socket with limits on what it keeps, and with the server's key where there are any."""
    made = context.socket(kind)
    made.setsockopt(zmq.MAXMSGSIZE, LARGEST)
    made.set_hwm(WAITING)
    made.setsockopt(zmq.HEARTBEAT_IVL, 2000)
    made.setsockopt(zmq.HEARTBEAT_TIMEOUT, 10_000)
    made.setsockopt(zmq.HANDSHAKE_IVL, 5000)
    if listen.keys:
        made.curve_publickey, made.curve_secretkey = listen.keys.pair(listen.key)
        made.curve_server = True
        made.setsockopt(zmq.ZAP_DOMAIN, b"pileus")
        made.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    return made


def _bind(socket: "zmq.Socket[bytes]", listen: Listen, port: int) -> None:
    try:
        socket.bind(f"tcp://{listen.host}:{port}")
    except zmq.ZMQError as error:
        raise UsageError(f"cannot listen on {listen.host}:{port}: {error.strerror}") from error


def _pass(
    front: "zmq.Socket[bytes]",
    back: "zmq.Socket[bytes]",
    questions: "queue.Queue[list[bytes]]",
    keys: KeyFolder | None,
    stopping: threading.Event,
    threads: _Threads,
) -> None:
    """Pass questions to whichever thread has time, and answers back. Raises StoreError where a thread died.

    A client that was known when it connected, and is not any longer, gets no answer.
    """
    poller = zmq.Poller()
    poller.register(back, zmq.POLLIN)
    while not stopping.is_set():
        full = questions.full()
        poller.register(front, 0 if full else zmq.POLLIN)
        for socket, _ in poller.poll(20 if full else _LOOK):
            if socket is back:
                front.send_multipart(back.recv_multipart())
            else:
                frames = front.recv_multipart(copy=False)
                if keys is None or keys.knows(str(frames[0].get("User-Id")).encode()):
                    questions.put_nowait([frame.bytes for frame in frames])
                break
        if not threads.alive():
            raise StoreError("a thread of the ZeroMQ node ended: see its log")


def _work(
    context: "zmq.Context[zmq.Socket[bytes]]",
    answers: Answers,
    questions: "queue.Queue[list[bytes]]",
    ended: threading.Event,
) -> None:
    """Answer questions until `ended`."""
    with context.socket(zmq.PUSH) as back:
        back.connect(_ASKS)
        while not ended.is_set():
            try:
                frames = questions.get(timeout=_LOOK / 1000)
            except queue.Empty:
                continue
            of = 2 if frames[1:2] == [b""] else 1
            back.send_multipart(frames[:of] + answers(frames[of:]))


def _guard(context: "zmq.Context[zmq.Socket[bytes]]", keys: KeyFolder, ended: threading.Event) -> None:
    """Say of each client that knocks whether its key is known, until `ended`."""
    with context.socket(zmq.REP) as door:
        door.bind(_DOOR)
        while not ended.is_set():
            if not door.poll(_LOOK):
                continue
            version, id, _, _, _, mechanism, *credentials = door.recv_multipart()
            key = z85.encode(credentials[0]) if mechanism == b"CURVE" and len(credentials) == 1 else b""
            code, text = (b"200", b"OK") if keys.knows(key) else (b"400", b"unknown key")
            door.send_multipart([version, id, code, text, key, b""])

"""A service elsewhere that speaks ZeroMQ."""

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import zmq

from pileus.errors import StoreError, Unavailable
from pileus.nodes.zeromq_keys import KeyFolder
from pileus.nodes.zeromq_messages import LARGEST, PIECE, REQUEST_PORT, Ask, answer_of, ask_frames, progress_of
from pileus.stratus.capability import Capability
from pileus.stratus.request import StratusRequest
from pileus.stratus.service import Progress

PATIENCE = 10
"""Seconds without an answer after which a service cannot be reached."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service listens, how long it may be silent, and the keys: all of them, or none."""

    host: str = "127.0.0.1"
    port: int = REQUEST_PORT
    patience: float = PATIENCE
    own: tuple[bytes, bytes] | None = None
    """Public and secret key."""
    server: bytes = b""
    """The public key of the service."""

    @classmethod
    def with_keys(cls, host: str, port: int, patience: float, folder: Path, own: str, server: str) -> "Address":
        """Return an address with keys of a folder, by their names. Raises UsageError where one is not there."""
        keys = KeyFolder(folder)
        return cls(host, port, patience, keys.pair(own), keys.public(server))


class ZeromqService:
    """See `pileus.stratus.service.Service`."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: list[zmq.Socket[bytes]] = []
        self._lock = threading.Lock()

    def capabilities(self, via: Sequence[str] = (), /) -> tuple[Capability, ...]:
        """See Service."""
        asked = Ask("", "capabilities", {"via": list(via)} if via else {})
        return tuple(Capability.from_json(one) for one in self._ask(asked)["capabilities"])

    def start(self, request: StratusRequest) -> Progress:
        """See Service."""
        return progress_of(self._ask(Ask(request.rid, "exe", request.to_json())))

    def find(self, rid: str) -> Progress:
        """See Service."""
        return progress_of(self._ask(Ask(rid, "status")))

    def list(self, cid: str = "", limit: int = 100) -> tuple[Progress, ...]:
        """See Service."""
        found = self._ask(Ask("", "list", {"cid": cid, "limit": limit}))["requests"]
        return tuple(progress_of(one) for one in found)

    def result(self, rid: str, name: str, form: str) -> Iterator[bytes]:
        """See Service."""
        id = self._ask(Ask(rid, "result", {"name": name, "form": form}))["id"]
        return self._pieces(rid, id)

    def stop(self, rid: str) -> Progress:
        """See Service."""
        return progress_of(self._ask(Ask(rid, "stop")))

    def delete(self, rid: str) -> None:
        """See Service."""
        self._ask(Ask(rid, "delete"))

    def upload(self, content: BinaryIO) -> str:
        """See Service."""
        size, offset, answer = content.seek(0, 2), 0, dict[str, Any]()
        content.seek(0)
        id = secrets.token_hex(16)
        while piece := content.read(PIECE):
            answer = self._ask(Ask(id, "upload", {"size": size, "offset": offset}, piece))
            offset += len(piece)
        if not isinstance(answer.get("uri"), str):
            raise StoreError(f"{self._where} took {offset:,} of {size:,} bytes, and said no address")
        return str(answer["uri"])

    def close(self) -> None:
        """Let its connections go. No other method runs meanwhile, or will be called."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    @property
    def _where(self) -> str:
        return f"tcp://{self._address.host}:{self._address.port}"

    def _pieces(self, rid: str, id: str) -> Iterator[bytes]:
        number, last = 0, False
        while not last:
            with self._socket() as socket:
                answer, piece = self._talk(socket, Ask(rid, "piece", {"id": id, "number": number}))
            yield piece
            number, last = number + 1, answer["last"] is not False

    def _ask(self, ask: Ask) -> dict[str, Any]:
        with self._socket() as socket:
            return self._talk(socket, ask)[0]

    def _talk(self, socket: "zmq.Socket[bytes]", ask: Ask) -> tuple[dict[str, Any], bytes]:
        """Return an answer, and the bytes that came with it. Raises Unavailable, and the error that was answered."""
        socket.send_multipart(ask_frames(ask))
        if not socket.poll(int(self._address.patience * 1000)):
            socket.close()
            key = ", or does not know our key" if self._address.own else ""
            raise Unavailable(f"no answer within {self._address.patience:g} s: it is not there{key}", where=self._where)
        return answer_of(socket.recv_multipart())

    @contextmanager
    def _socket(self) -> Iterator["zmq.Socket[bytes]"]:
        """Lend a connection. It is used again, unless no answer came over it."""
        with self._lock:
            socket = self._idle.pop() if self._idle else None
        socket = socket or self._connected()
        try:
            yield socket
        finally:
            if not socket.closed:
                with self._lock:
                    self._idle.append(socket)

    def _connected(self) -> "zmq.Socket[bytes]":
        socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.REQ)  # one whose end nobody waits for
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, LARGEST)
        socket.setsockopt(zmq.HEARTBEAT_IVL, 2000)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 10_000)
        if self._address.own:
            socket.curve_publickey, socket.curve_secretkey = self._address.own
            socket.curve_serverkey = self._address.server
        socket.connect(self._where)
        return socket

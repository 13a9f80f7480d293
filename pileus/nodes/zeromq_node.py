"""A ZeroMQ node elsewhere: what it is given goes there in pieces, and what it made comes back in pieces."""

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import zmq

from pileus.errors import HandedBack, NotFound, OperationFailed, StoreError
from pileus.models import State
from pileus.nodes.node import NodeLost
from pileus.nodes.settings import Section
from pileus.nodes.zeromq_keys import KeyFolder
from pileus.nodes.zeromq_messages import (
    LARGEST,
    PIECE,
    REQUEST_PORT,
    Ask,
    answer_of,
    ask_frames,
    progress_of,
)
from pileus.stratus.capability import Capability
from pileus.stratus.request import StratusRequest
from pileus.stratus.service import NETCDF, Progress

PATIENCE = 10
"""Seconds without an answer after which a node is lost."""
QUICKEST, SLOWEST = 0.02, 0.5
"""Seconds between two questions where a request stands: at first, and after some time."""
_LOOK = 100
"""Milliseconds between two looks at whether to stop."""
_HDF5 = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node listens, how long it may be silent, and the keys: all three, or none."""

    host: str = "127.0.0.1"
    port: int = REQUEST_PORT
    patience: float = PATIENCE
    own: tuple[bytes, bytes] | None = None
    """Public and secret key."""
    server: bytes = b""
    """The node's public key."""


def zeromq_node(section: Section) -> "ZeromqNode":
    """Return the node of a section. Raises UsageError where a key that it names is not there."""
    folder = section.path("keys")
    own = server = None
    if folder is not None:
        keys = KeyFolder(folder)
        own, server = keys.pair(section.text("key", "client")), keys.public(section.text("server_key", "server"))
    host = section.text("host", "127.0.0.1")
    port, patience = section.number("request_port", REQUEST_PORT), section.number("patience", PATIENCE)
    return ZeromqNode(section.name, Address(host, port, patience, own, server or b""))


class ZeromqNode:
    """Does parts of requests by asking another node. `pileus.nodes.node.Node` says what its methods return."""

    def __init__(self, name: str, address: Address) -> None:
        self.name, self._address, self._context = name, address, zmq.Context()

    def capabilities(self) -> tuple[Capability, ...]:
        """Return what it can do. Raises NodeLost."""
        with self._talk(threading.Event()) as talk:
            listed = talk.ask(Ask("", "capabilities"))["capabilities"]
        try:
            return tuple(Capability.from_json(one) for one in listed)
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{self._address.host}: what it can do is not understood") from error

    def run(
        self, request: StratusRequest, given: Mapping[str, Path], folder: Path, stopping: threading.Event
    ) -> Mapping[str, Path]:
        """Do a request there. One that was begun there before, under the same rid, goes on."""
        with self._talk(stopping) as talk:
            uris = {id: _upload(talk, path) for id, path in given.items()}
            inputs = {id: replace(one, uri=uris[id]) if id in uris else one for id, one in request.inputs.items()}
            asked = replace(request, inputs=inputs)
            progress = progress_of(talk.ask(Ask(request.rid, "exe", asked.to_json())))
            progress = self._wait(talk, progress)
            if progress.state is not State.succeeded:
                raise OperationFailed(progress.why or f"it ended as {progress.state.value}", where=self.name)
            return {name: _fetch(talk, progress.rid, name, folder) for name in progress.outputs}

    def close(self) -> None:
        """Let its connections go."""
        self._context.destroy(linger=0)

    def _talk(self, stopping: threading.Event) -> "_Talk":
        return _Talk(self._context, self._address, stopping)

    def _wait(self, talk: "_Talk", progress: Progress) -> Progress:
        """Return where a request stands once it has ended. Raises NodeLost where the node has forgotten it."""
        pause = QUICKEST
        while not progress.state.ended:
            talk.rest(pause)
            pause = min(pause * 1.5, SLOWEST)
            try:
                progress = progress_of(talk.ask(Ask(progress.rid, "status")))
            except NotFound as error:
                raise NodeLost("it does not know the request any longer", where=self.name) from error
        return progress


class _Talk:
    """One conversation with a node, in one thread. Raises HandedBack soon after `stopping` is set."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", address: Address, stopping: threading.Event) -> None:
        self._address, self._stopping = address, stopping
        self._socket = context.socket(zmq.REQ)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, LARGEST)
        self._socket.setsockopt(zmq.HEARTBEAT_IVL, 2000)
        self._socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 10_000)
        if address.own:
            self._socket.curve_publickey, self._socket.curve_secretkey = address.own
            self._socket.curve_serverkey = address.server
        self._socket.connect(f"tcp://{address.host}:{address.port}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, ask: Ask) -> dict[str, Any]:
        """Return an answer without bytes. Raises NodeLost, and the error that was answered."""
        return self.ask_piece(ask)[0]

    def ask_piece(self, ask: Ask) -> tuple[dict[str, Any], bytes]:
        """Return an answer, and the bytes that came with it."""
        self._socket.send_multipart(ask_frames(ask))
        until = time.monotonic() + self._address.patience
        while not self._socket.poll(_LOOK):
            self._check()
            if time.monotonic() > until:
                why = ", or does not know our key" if self._address.own else ""
                raise NodeLost(
                    f"no answer within {self._address.patience:g} s: it is not there{why}",
                    where=f"tcp://{self._address.host}:{self._address.port}",
                )
        self._check()
        return answer_of(self._socket.recv_multipart())

    def rest(self, seconds: float) -> None:
        """Wait."""
        self._stopping.wait(seconds)
        self._check()

    def _check(self) -> None:
        if self._stopping.is_set():
            raise HandedBack("told to stop")


def _upload(talk: _Talk, path: Path) -> str:
    """Send a file, and return the address by which inputs name it there."""
    id, size, offset, answer = secrets.token_hex(16), path.stat().st_size, 0, dict[str, Any]()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            answer = talk.ask(Ask(id, "upload", {"size": size, "offset": offset}, piece))
            offset += len(piece)
    if not isinstance(answer.get("uri"), str):
        raise StoreError(f"{path.name}: the node took {offset:,} of {size:,} bytes")
    return str(answer["uri"])


def _fetch(talk: _Talk, rid: str, name: str, folder: Path) -> Path:
    """Read a result into a file of `folder`, and return it."""
    id = talk.ask(Ask(rid, "result", {"name": name, "form": NETCDF}))["id"]
    whole, part = folder / f"{name}.nc", folder / f"{name}.part"
    number, last = 0, False
    with part.open("wb") as file:
        while not last:
            answer, piece = talk.ask_piece(Ask(rid, "piece", {"id": id, "number": number}))
            if not number and not piece.startswith(_HDF5):
                raise StoreError(f"{name}: the node answered with what is no NetCDF4 file")
            file.write(piece)
            number, last = number + 1, bool(answer.get("last", True))
    return part.replace(whole)

"""Servers that a stranger might run: FTP and SFTP that list any name, and bytes for whatever is asked."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import paramiko

BODY = b"\x1f\x8bEVIL"
"""What any file holds; it looks like a gzip, so that nothing but its name is wrong."""


@dataclass
class Hostile:
    """A running server."""

    port: int
    asked: list[str] = field(default_factory=list)
    """Commands or paths, in order."""
    host_key: str = ""
    """sftp only."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextmanager
def _serving(listener: socket.socket, talk: Callable[[socket.socket], None]) -> Iterator[None]:
    """Answer each connection with `talk`, in a thread of its own, while the block runs."""
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            with suppress(TimeoutError, OSError):
                sock, _ = listener.accept()
                threading.Thread(target=talk, args=(sock,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5)
        listener.close()


def _listener() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    return listener


@contextmanager
def talking(talk: Callable[[socket.socket], None]) -> Iterator[Hostile]:
    """A server that does with each connection whatever `talk` does."""
    listener = _listener()
    with _serving(listener, talk):
        yield Hostile(listener.getsockname()[1])


@contextmanager
def ftp(
    names: Sequence[str],
    *,
    mlsd: bool = True,
    line: str = "",
    forever: bytes = b"",
    pause: float = 0.0,
    welcome: str = "220 welcome",
) -> Iterator[Hostile]:
    """FTP that lists `names` as they are; `mlsd`: by MLSD, else by LIST. `line`: one more line of the listing.

    `forever`: a listing then repeats it without end, with `pause` seconds between. `welcome`: the first answer.
    """
    listener = _listener()
    site = Hostile(listener.getsockname()[1])

    def talk(sock: socket.socket) -> None:
        data = socket.create_server(("127.0.0.1", 0))
        data.settimeout(5)
        with sock, data, suppress(OSError), sock.makefile("rb") as commands:

            def say(text: str) -> None:
                sock.sendall(text.encode() + b"\r\n")

            def send(body: bytes) -> None:
                say("150 it comes")
                with data.accept()[0] as out:
                    out.sendall(body)
                    while forever:
                        out.sendall(forever)
                        time.sleep(pause)
                say("226 done")

            say(welcome)
            for command in commands:
                text = command.decode(errors="replace").strip()
                site.asked.append(text)
                verb = text.partition(" ")[0].upper()
                if verb == "FEAT":
                    say("211-Features\r\n MLST type*;size*\r\n211 End" if mlsd else "502 no")
                elif verb in ("EPSV", "PASV"):
                    port = data.getsockname()[1]
                    say(f"229 (|||{port}|)" if verb == "EPSV" else f"227 (127,0,0,1,{port >> 8},{port & 255})")
                elif verb == "MLSD":
                    rows = [f"type=file;size={len(BODY)}; {name}" for name in names]
                    send("".join(f"{row}\r\n" for row in [*rows, *([line] if line else [])]).encode("utf-8", "replace"))
                elif verb == "LIST":
                    rows = [f"-rw-r--r-- 1 a a {len(BODY)} Jan 01 2015 {name}" for name in names]
                    send("".join(f"{row}\r\n" for row in [*rows, *([line] if line else [])]).encode("utf-8", "replace"))
                elif verb == "RETR":
                    send(BODY)
                else:
                    say(
                        {"SIZE": f"213 {len(BODY)}", "MDTM": "213 20150101000000", "USER": "230 in"}.get(
                            verb, "200 yes"
                        )
                    )
                if verb == "QUIT":
                    return

    with _serving(listener, talk):
        yield site


@contextmanager
def sftp(names: Sequence[str], *, forever: bool = False) -> Iterator[Hostile]:
    """SFTP that lists `names` as they are, for any user and password; `forever`: over and over."""
    listener = _listener()
    key = paramiko.ECDSAKey.generate()
    site = Hostile(listener.getsockname()[1], host_key=f"{key.get_name()} {key.get_base64()}")

    class Door(paramiko.ServerInterface):
        def check_auth_password(self, username: str, password: str) -> int:
            return paramiko.AUTH_SUCCESSFUL

        def get_allowed_auths(self, username: str) -> str:
            return "password"

        def check_channel_request(self, kind: str, chanid: int) -> int:
            return paramiko.OPEN_SUCCEEDED

    def facts(name: str) -> paramiko.SFTPAttributes:
        found = paramiko.SFTPAttributes()
        found.filename, found.st_mode, found.st_size, found.st_mtime = name, 0o100644, len(BODY), 1420070400
        found.st_atime = found.st_mtime
        return found

    class Endless(list[paramiko.SFTPAttributes]):
        """Never shorter for what is taken from its front."""

        def __getitem__(self, place: Any) -> Any:
            return self if isinstance(place, slice) and place.start else super().__getitem__(place)

    class Files(paramiko.SFTPServerInterface):
        def list_folder(self, path: str) -> list[paramiko.SFTPAttributes]:
            found = [facts(name) for name in names]
            return Endless(found) if forever else found

        def stat(self, path: str) -> paramiko.SFTPAttributes:
            return facts(path)

        def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle:
            site.asked.append(path)
            return Handle()

    class Handle(paramiko.SFTPHandle):
        def stat(self) -> paramiko.SFTPAttributes:
            return facts("x")

        def read(self, offset: int, length: int) -> bytes | int:
            return BODY[offset : offset + length] or paramiko.SFTP_EOF

    transports: list[paramiko.Transport] = []

    def talk(sock: socket.socket) -> None:
        transport = paramiko.Transport(sock)
        transports.append(transport)
        transport.add_server_key(key)
        transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Files)
        with suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=Door())

    with _serving(listener, talk):
        try:
            yield site
        finally:
            for transport in transports:
                transport.close()


@contextmanager
def web(body: Callable[[int], Iterator[bytes]], *, kind: str = "text/html", head: bytes = b"") -> Iterator[Hostile]:
    """HTTP that answers the n-th request with the chunks of `body(n)`, for as long as they come. `head`: more of it."""
    listener = _listener()
    site = Hostile(listener.getsockname()[1])
    lock = threading.Lock()

    def talk(sock: socket.socket) -> None:
        with sock, suppress(OSError), sock.makefile("rb") as lines:
            while asked := lines.readline():
                while lines.readline().strip():
                    pass
                with lock:
                    site.asked.append(asked.decode(errors="replace").strip())
                    number = len(site.asked)
                sock.sendall(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                    + f"Content-Type: {kind}\r\n".encode()
                    + head
                    + b"\r\n"
                )
                for block in body(number):
                    sock.sendall(f"{len(block):x}\r\n".encode() + block + b"\r\n")
                sock.sendall(b"0\r\n\r\n")

    with _serving(listener, talk):
        yield site

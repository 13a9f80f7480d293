"""Servers that answer a sign-in too slowly, or never: each is given up after one limit of time, with one sentence."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

import paramiko
import pytest

from pileus.documents import Credentials, Provider, SecretRef
from pileus.edges.providers import connect, form_post
from pileus.edges.secrets import Secrets
from pileus.errors import PileusError
from spec.servers import hostile

ENVIRON = {"USER": "me", "WORD": "pass"}
BASIC = Credentials(type="basic", username=SecretRef(env="USER"), password=SecretRef(env="WORD"))
OAUTH = Credentials(
    type="oauth2_password",
    username=SecretRef(env="USER"),
    password=SecretRef(env="WORD"),
    token_url="http://127.0.0.1:1/",
)


def drips(before: bytes, drop: bytes = b"x") -> Callable[[socket.socket], None]:
    """Return a server that says something, and then one drop after the other."""

    def talk(sock: socket.socket) -> None:
        with sock, suppress(OSError):
            sock.sendall(before)
            while True:
                time.sleep(0.05)
                sock.sendall(drop)

    return talk


def silent(sock: socket.socket) -> None:
    with sock, suppress(OSError):
        while sock.recv(4096):
            pass


def refused(port: int, *how: str, **document: Any) -> str:
    """Return why a file of a provider is not opened, whose limits are short."""
    limits = {"connect_seconds": 0.25, "read_seconds": 0.25, "attempts": 1}
    provider = Provider(id="x", host=f"127.0.0.1:{port}", **limits, **document)
    with closing(connect(provider, secrets=Secrets(environ=ENVIRON))) as edge:
        url = f"{provider.protocol}://127.0.0.1:{port}/x.tgz"
        tried = (lambda: list(edge.list(""))) if how == ("list",) else (lambda: edge.open(url).close())
        with pytest.raises(PileusError) as caught:
            tried()
    assert "\n" not in str(caught.value)
    return caught.value.message


SLOW_SSH = {
    "no banner": silent,
    "a banner that drips": drips(b""),
    "lines before the banner": drips(b"hello\r\n", b"hello\r\n"),
    "a banner, and no keys": drips(b"SSH-2.0-x\r\n", b""),
    "keys that drip": drips(b"SSH-2.0-x\r\n\0\0\x0f\xfc", b"\0"),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", SLOW_SSH)
@pytest.mark.parametrize("how", ["open", "list"])
def test_an_sftp_sign_in_that_does_not_begin_ends(name: str, how: str) -> None:
    with hostile.talking(SLOW_SSH[name]) as site:
        said = refused(site.port, how, protocol="sftp", credentials=BASIC, host_key="ssh-rsa AAAA")
    assert said == "the sign-in did not end within 0.5 seconds"


@contextmanager
def sshd(stuck: str) -> Iterator[hostile.Hostile]:
    """An SFTP server that never answers one step."""
    over: list[bool] = []

    def wait(step: str) -> None:
        while step == stuck and not over:
            time.sleep(0.05)

    class Door(paramiko.ServerInterface):
        def check_auth_password(self, username: str, password: str) -> int:
            wait("auth")
            return paramiko.AUTH_SUCCESSFUL

        def get_allowed_auths(self, username: str) -> str:
            return "password"

        def check_channel_request(self, kind: str, chanid: int) -> int:
            wait("channel")
            return paramiko.OPEN_SUCCEEDED

        def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
            wait("subsystem")
            return True  # and nobody answers the version

    key, transports = paramiko.ECDSAKey.generate(), []

    def talk(sock: socket.socket) -> None:
        transports.append(transport := paramiko.Transport(sock))
        transport.add_server_key(key)
        with suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=Door())

    with hostile.talking(talk) as site:
        site.host_key = f"{key.get_name()} {key.get_base64()}"
        try:
            yield site
        finally:
            over.append(True)
            for transport in transports:
                transport.close()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("step", ["auth", "channel", "subsystem", "version"])
def test_an_sftp_sign_in_that_stops_ends(step: str) -> None:
    with sshd(step) as site:
        said = refused(site.port, protocol="sftp", credentials=BASIC, host_key=site.host_key)
    assert said == "the sign-in did not end within 0.5 seconds"


def lines(*answers: bytes, then: bytes = b"x") -> Callable[[socket.socket], None]:
    """Return an FTP server that answers so many commands, and drips at the next."""

    def talk(sock: socket.socket) -> None:
        with suppress(OSError), sock.makefile("rb") as commands:
            for answer in answers:
                sock.sendall(answer + b"\r\n")
                commands.readline()
            drips(then, then)(sock)

    return talk


FTP: dict[str, tuple[Sequence[bytes], bytes, str]] = {
    "welcome": ((), b"x", "the sign-in did not end"),
    "a welcome of many lines": ((), b"220-x\r\n", "the sign-in did not end"),
    "user": ((b"220 hi",), b"x", "the sign-in did not end"),
    "password": ((b"220 hi", b"331 word"), b"x", "the sign-in did not end"),
    "type": ((b"220 hi", b"331 word", b"230 in"), b"x", "the sign-in did not end"),
    "size": ((b"220 hi", b"331 word", b"230 in", b"200 ok"), b"x", "the file was not open"),
    "passive mode": (
        (b"220 hi", b"331 word", b"230 in", b"200 ok", b"213 5", b"213 20150101000000"),
        b"x",
        "the file was not open",
    ),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("step", FTP)
def test_an_ftp_answer_that_drips_ends(step: str) -> None:
    answers, then, words = FTP[step]
    with hostile.talking(lines(*answers, then=then)) as site:
        assert refused(site.port, protocol="ftp", credentials=BASIC) == f"{words} within 0.5 seconds"


@pytest.mark.timeout(30)
def test_a_farewell_that_drips_ends() -> None:
    """`refused` comes back when the connection is closed."""
    opened = (b"220 hi", b"331 word", b"230 in", b"200 ok", b"213 5", b"213 20150101000000")
    with hostile.talking(lines(*opened, b"500 no passive mode")) as site:
        assert refused(site.port, protocol="ftp", credentials=BASIC) == "the server answered 500"


TOKENS = {
    "a head that drips": drips(b""),
    "a head without end": drips(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "answers on the way": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body that drips": drips(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
    "a body without length": drips(b"HTTP/1.1 200 OK\r\n\r\n"),
    "chunks that drip": drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", TOKENS)
def test_a_token_that_drips_ends(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form_post, "SECONDS", 0.5)
    with hostile.talking(TOKENS[name]) as site:
        credentials = OAUTH.model_copy(update={"token_url": f"http://{site.host}/token"})
        said = refused(site.port, protocol="http", credentials=credentials)
    assert said == "the sign-in did not end within 0.5 seconds"

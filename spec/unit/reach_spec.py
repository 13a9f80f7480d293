"""Where a connection may go: judged by the address that is connected to, in whatever spelling it comes."""

import socket
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from pileus.documents import Provider
from pileus.edges.providers import connect
from pileus.edges.providers.reach import Reach, literal
from pileus.edges.secrets import Secrets
from pileus.errors import PileusError, Refused
from spec.support.watch import Arrivals, arrivals

NEVER = (
    "169.254.169.254", "169.254.170.2", "169.254.1.1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254",
    "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "224.0.0.1", "ff02::1", "100.100.100.200",
)  # fmt: skip
PRIVATE = ("127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "::1", "fd12::1", "100.64.0.1", "0.0.0.0",
           "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1")  # fmt: skip
SPELLINGS = ("2130706433", "0x7f000001", "0177.0.0.1", "[::ffff:127.0.0.1]", "127.1", "127.0.0.1.", "inward.example")
PUBLIC = ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c")


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("private", [True, False])
def test_link_local_and_metadata_addresses_never(address: str, private: bool) -> None:
    with pytest.raises(Refused):
        Reach(private).check("x.org", address)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_where_the_document_says_so(address: str) -> None:
    Reach(private=True).check("x.org", address)
    with pytest.raises(Refused, match=r"x.org: is at .* no public address: allowPrivate in the provider's document"):
        Reach(private=False).check("x.org", address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_always(address: str) -> None:
    Reach(private=False).check("x.org", address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST.", "10.1.2.3", "::1", "0x7f000001"])
def test_a_document_whose_host_is_private_itself_says_so(host: str) -> None:
    assert Reach.of(Provider(id="x", protocol="https", host=host), host).private
    assert not Reach.of(Provider(id="x", protocol="https", host="x.org"), "x.org").private
    assert Reach.of(Provider(id="x", protocol="https", host="x.org", allowPrivate=True), "x.org").private


@pytest.fixture
def inner() -> Iterator[Arrivals]:
    """A service of this machine that no provider should reach."""
    with arrivals() as server:
        yield server


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Names of the specs, resolved to addresses of the specs."""
    known = {"public.example": "127.0.0.1", "inward.example": "127.0.0.1"}
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: resolve(known.get(host, host), *a, **k))
    return known


def redirects(target: str, kind: str) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if kind == "redirect" else 200)
            self.send_header("Location", target) if kind == "redirect" else None
            body = b"" if kind == "redirect" else f"{target}\n".encode()
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


@pytest.mark.parametrize("kind", ["redirect", "list"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_public_provider_leads_nobody_inward(
    spelling: str, kind: str, inner: Arrivals, names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The provider itself stands for a public one: its own address passes, all others are judged.
    check = Reach.check

    def lenient(self: Reach, host: str, address: str) -> None:
        if host != "public.example":
            check(self, host, address)

    monkeypatch.setattr(Reach, "check", lenient)
    server = redirects(f"http://{spelling}:{inner.port}/x.tgz", kind)
    port = server.server_address[1]
    provider = Provider(id="x", protocol="http", host=f"public.example:{port}", attempts=1)
    try:
        with closing(connect(provider, secrets=Secrets(environ={}))) as edge:
            urls = [f"http://public.example:{port}/x.tgz"]
            if kind == "list":
                urls = [entry.url for entry in edge.list("urls.txt")]  # type: ignore[union-attr]
            with pytest.raises(PileusError, match=r"no public address|host name is not known"):
                edge.open(urls[0])
    finally:
        server.shutdown()
        server.server_close()
    assert inner.came == []


METADATA = (
    "169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:169.254.169.254]", "169.254.43518",
    "169.254.170.2", "2852039170", "0xa9feaa02", "0251.0376.0252.2", "[::ffff:a9fe:aa02]", "169.254.43522",
)  # fmt: skip


@pytest.mark.parametrize("kind", ["redirect", "list"])
@pytest.mark.parametrize("spelling", METADATA)
def test_nobody_is_led_to_what_a_cloud_keeps_for_a_machine(spelling: str, kind: str) -> None:
    """Also where private addresses are allowed, as for this provider, which is one itself."""
    server = redirects(f"http://{spelling}/latest/meta-data/x.tgz", kind)
    here = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        with closing(
            connect(Provider(id="x", protocol="http", host=here, attempts=1), secrets=Secrets(environ={}))
        ) as edge:
            urls = [f"{here}/x.tgz"]
            if kind == "list":
                urls = [entry.url for entry in edge.list("urls.txt")]  # type: ignore[union-attr]
            with pytest.raises(
                Refused, match=r"is at 169\.254\.(169\.254|170\.2), a link-local or metadata address: never"
            ):
                edge.open(urls[0])
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("protocol", ["http", "https", "ftp", "s3"])
def test_a_provider_whose_name_resolves_inward_is_not_connected(
    protocol: str, inner: Arrivals, names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)  # of s3, which is tried five times
    place: dict[str, Any] = {"host": f"inward.example:{inner.port}"}
    if protocol == "s3":
        place = {"host": "bucket", "endpoint": f"http://inward.example:{inner.port}"}
    provider = Provider(id="x", protocol=protocol, attempts=1, **place)
    with (
        closing(connect(provider, secrets=Secrets(environ={}))) as edge,
        pytest.raises(Refused, match=r"is at 127.0.0.1, which is no public address"),
    ):
        list(edge.list("v10"))
    assert b"".join(inner.came) == b""


def test_a_name_that_turns_inward_after_it_was_checked_wins_nothing(
    inner: Arrivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["93.184.215.14", "127.0.0.1", "127.0.0.1"])
    place = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    connected: list[tuple[str, int]] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, **k: [(*place, (next(answers), port))])

    def refuse(self: socket.socket, address: tuple[str, int]) -> None:
        connected.append(address)
        raise ConnectionRefusedError

    class Socket(socket.socket):
        connect = refuse  # type: ignore[assignment]

    monkeypatch.setattr(socket, "socket", Socket)
    with pytest.raises(ConnectionRefusedError):
        Reach(private=False).connect("rebinding.example", inner.port, 1)
    assert connected == [("93.184.215.14", inner.port)]
    assert inner.came == []


def test_cookies_stay_with_scheme_host_and_port(inner: Arrivals) -> None:
    from email.message import Message

    seen: list[Message] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers)
            self.send_response(200)
            self.send_header("Set-Cookie", "session=secret; Path=/")
            self.send_header("Content-Length", "1")
            self.end_headers()
            self.wfile.write(b"x")

        def log_message(self, *args: object) -> None:
            """Quiet."""

    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
    for server in servers:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    one, two = (f"127.0.0.1:{server.server_address[1]}" for server in servers)
    with closing(connect(Provider(id="x", protocol="http", host=one), secrets=Secrets(environ={}))) as edge:
        for host in (one, two, one):
            with closing(edge.open(f"http://{host}/x")) as body:
                body.readinto(memoryview(bytearray(9)))
    for server in servers:
        server.shutdown()
        server.server_close()
    assert [headers.get("Cookie") for headers in seen] == [None, None, "session=secret"]


def test_through_a_proxy_a_host_that_is_an_address_is_judged_all_the_same(inner: Arrivals) -> None:
    environ = {"http_proxy": f"http://127.0.0.1:{inner.port}"}
    provider = Provider(id="x", protocol="http", host="x.example", attempts=1)
    with (
        closing(connect(provider, secrets=Secrets(environ=environ))) as edge,
        pytest.raises(Refused, match="never connected to"),
    ):
        edge.open("http://169.254.169.254/latest/meta-data/")
    assert inner.came == []
    assert literal("x.example") is None

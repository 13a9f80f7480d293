"""Sign-in: what each kind sends, to whom, and that no secret goes anywhere else."""

import base64
import ftplib
import http.client
import inspect
import json
import logging
import ssl
import subprocess
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import botocore.exceptions
import paramiko
import pytest

from pileus.documents import Credentials, Provider, SecretRef
from pileus.download.fetch import download, granule_of, open_stream
from pileus.edges.providers import ProviderEdge, connect, ftp, http_connection, s3, sftp
from pileus.edges.providers.faults import translate
from pileus.edges.secrets import Secret, Secrets
from pileus.errors import DocumentError, PileusError, Refused, Unreachable
from spec.servers import Site
from spec.servers.sessions import aws_client

ENVIRON = {
    "USER": "ada",
    "PASSWORD": "s3cret-pass",
    "TOKEN": "t0ken-value",
    "CLIENT": "app",
    "CLIENT_SECRET": "cl13nt-s3cret",
}
SECRET_WORDS = (
    "s3cret-pass",
    "t0ken-value",
    "cl13nt-s3cret",
    base64.b64encode(b"ada:s3cret-pass").decode(),
    "at-1",
    "at-2",
)
BASIC = "Basic " + base64.b64encode(b"ada:s3cret-pass").decode()


@dataclass
class Scripted:
    """A server that answers as `script` says and notes what it was sent."""

    port: int
    seen: list[dict[str, str]] = field(default_factory=list)
    """Path, headers in small letters, and body of each request."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def text(self) -> str:
        return json.dumps(self.seen)


Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def scripted(script: Callable[[dict[str, str]], Answer]) -> Iterator[Scripted]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            sent = {name.lower(): value for name, value in self.headers.items()}
            sent |= {"path": self.path, "body": body}
            site.seen.append(sent)
            status, headers, answer = script(sent)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site = Scripted(server.server_address[1])
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


def ref(name: str) -> SecretRef:
    return SecretRef(env=name)


def edge_to(
    site: Scripted, credentials: Credentials | None, *listed: str, environ: dict[str, str] = ENVIRON
) -> ProviderEdge:
    provider = Provider(id="x", protocol="http", host=site.host, credentials=credentials, allowedRedirects=listed)
    return connect(provider, secrets=Secrets(environ=environ))


def plain_edge_to(site: Scripted, **login: Any) -> ProviderEdge:
    provider = Provider.model_validate({"id": "x", "protocol": "http", "host": site.host, **login})
    return connect(provider, secrets=Secrets(environ={}))


def fetch(edge: ProviderEdge, url: str, folder: Path) -> bytes:
    with closing(edge):
        return download([granule_of(url)], folder, edge, parallel=1)[0].path.read_bytes()


def asking(expected: str) -> Callable[[dict[str, str]], Answer]:
    """Lets in who sends this Authorization."""
    return lambda sent: (200, {}, b"in") if sent.get("authorization") == expected else (401, {}, b"who?")


BASIC_CREDENTIALS = Credentials(type="basic", username=ref("USER"), password=ref("PASSWORD"))


def test_basic(tmp_path: Path) -> None:
    with scripted(asking(BASIC)) as site:
        assert fetch(edge_to(site, BASIC_CREDENTIALS), f"{site.url}/a", tmp_path) == b"in"


def test_a_user_and_a_password_of_the_document_itself_as_cumulus_has_them(tmp_path: Path) -> None:
    with scripted(asking(BASIC)) as site:
        edge = plain_edge_to(site, username="ada", password="s3cret-pass")
        assert fetch(edge, f"{site.url}/a", tmp_path) == b"in"


def test_what_cumulus_has_encrypted_signs_in_nowhere_and_is_told_before_anything_is_sent() -> None:
    with scripted(asking(BASIC)) as site, pytest.raises(DocumentError, match="a key of Cumulus that Pileus has not"):
        plain_edge_to(site, username="AQECAHg", password="AQECAHh", encrypted=True)
    assert site.seen == []


def test_a_plain_password_does_not_follow_a_redirect_to_a_host_that_is_not_listed(tmp_path: Path) -> None:
    with (
        scripted(lambda sent: (200, {}, b"stolen")) as thief,
        scripted(lambda sent: (302, {"Location": f"{thief.url}/a"}, b"")) as site,
    ):
        edge = plain_edge_to(site, username="ada", password="s3cret-pass")
        with pytest.raises(Refused, match="allowedRedirects does not list"):
            fetch(edge, f"{site.url}/a", tmp_path)
    assert thief.seen == []


def test_bearer(tmp_path: Path) -> None:
    with scripted(asking("Bearer t0ken-value")) as site:
        edge = edge_to(site, Credentials(type="bearer", token=ref("TOKEN")))
        assert fetch(edge, f"{site.url}/a", tmp_path) == b"in"


def test_netrc(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password s3cret-pass\n")
    (tmp_path / "netrc").chmod(0o600)
    with scripted(asking(BASIC)) as site:
        edge = edge_to(site, Credentials(type="netrc"), environ={"NETRC": str(tmp_path / "netrc")})
        assert fetch(edge, f"{site.url}/a", tmp_path) == b"in"


def test_without_credentials_nothing_is_sent_and_a_refusal_is_final(tmp_path: Path) -> None:
    with scripted(asking(BASIC)) as site, pytest.raises(Refused, match="401"):
        fetch(edge_to(site, None), f"{site.url}/a", tmp_path)
    assert len(site.seen) == 1
    assert "authorization" not in site.seen[0]


class Tokens:
    """A token server: each grant gives at-1, at-2 and so on, the last of which is good."""

    def __init__(self, *, refresh: bool = True) -> None:
        self.grants: list[dict[str, list[str]]] = []
        self._refresh = refresh

    def __call__(self, sent: dict[str, str]) -> Answer:
        form = parse_qs(sent["body"])
        self.grants.append(form)
        good = form.get("password", ["s3cret-pass"]) == ["s3cret-pass"]
        if not good:
            return 401, {}, b'{"error": "invalid_grant", "error_description": "wrong: s3cret-pass"}'
        value = {"access_token": self.current, "expires_in": 300, **({"refresh_token": "r1"} if self._refresh else {})}
        return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()

    @property
    def current(self) -> str:
        return f"at-{len(self.grants)}"

    def guard(self, sent: dict[str, str]) -> Answer:
        return asking(f"Bearer {self.current}")(sent)


def oauth(kind: Any, tokens: Scripted) -> Credentials:
    login = {"username": ref("USER"), "password": ref("PASSWORD")} if kind == "oauth2_password" else {}
    return Credentials(
        type=kind, token_url=f"{tokens.url}/token", client_id=ref("CLIENT"), client_secret=ref("CLIENT_SECRET"), **login
    )


@pytest.mark.parametrize(("kind", "grant"), [("oauth2_password", "password"), ("oauth2_client", "client_credentials")])
def test_oauth2_asks_for_one_token_and_keeps_it(kind: str, grant: str, tmp_path: Path) -> None:
    tokens = Tokens()
    with scripted(tokens) as auth, scripted(tokens.guard) as site:
        edge = edge_to(site, oauth(kind, auth))
        with closing(edge):
            granules = [granule_of(f"{site.url}/{number}") for number in range(5)]
            assert len(download(granules, tmp_path, edge, parallel=3)) == 5
    (form,) = tokens.grants
    assert form["grant_type"] == [grant]
    assert form["client_id"] == ["app"]


@pytest.mark.parametrize("refresh", [True, False])
def test_a_token_that_is_refused_is_replaced_once(refresh: bool, tmp_path: Path) -> None:
    tokens = Tokens(refresh=refresh)
    with scripted(tokens) as auth, scripted(tokens.guard) as site:
        edge = edge_to(site, oauth("oauth2_password", auth))
        with closing(edge):
            download([granule_of(f"{site.url}/a")], tmp_path, edge, parallel=1)
            tokens.grants.append({})  # the first token is not good any more
            download([granule_of(f"{site.url}/b")], tmp_path, edge, parallel=1)
    grants = [form["grant_type"][0] for form in tokens.grants if form]
    assert grants == ["password", "refresh_token" if refresh else "password"]


def test_earthdata_signs_in_where_it_is_sent_and_is_known_by_its_cookie(tmp_path: Path) -> None:
    def login(sent: dict[str, str]) -> Answer:
        if sent.get("authorization") != BASIC:
            return 401, {}, b""
        return 302, {"Location": f"{site.url}/back?code=1"}, b""

    def data(sent: dict[str, str]) -> Answer:
        if sent["path"].startswith("/back"):
            return 302, {"Location": f"{site.url}/a", "Set-Cookie": "session=yes; Path=/"}, b""
        if "session=yes" in sent.get("cookie", ""):
            return 200, {}, b"in"
        return 302, {"Location": f"{urs.url}/oauth/authorize"}, b""

    with scripted(login) as urs, scripted(data) as site:
        credentials = Credentials(type="earthdata", username=ref("USER"), password=ref("PASSWORD"))
        edge = edge_to(site, credentials, urs.host)
        with closing(edge):
            for name in ("a", "b"):
                download([granule_of(f"{site.url}/{name}")], tmp_path, edge, parallel=1)
    assert len(urs.seen) == 1
    assert all("authorization" not in sent for sent in site.seen)


@pytest.mark.parametrize("kind", ["basic", "bearer", "oauth2_password", "netrc"])
def test_secrets_do_not_follow_a_redirect_to_a_host_that_is_not_listed(
    kind: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password s3cret-pass\n")
    environ = {**ENVIRON, "NETRC": str(tmp_path / "netrc")}
    with (
        scripted(lambda sent: (200, {}, b"stolen")) as thief,
        scripted(Tokens()) as auth,
        scripted(lambda sent: (302, {"Location": f"{thief.url}/a"}, b"")) as site,
    ):
        credentials = {
            "basic": BASIC_CREDENTIALS,
            "bearer": Credentials(type="bearer", token=ref("TOKEN")),
            "netrc": Credentials(type="netrc"),
            "oauth2_password": oauth("oauth2_password", auth),
        }[kind]
        edge = edge_to(site, credentials, environ=environ)
        with pytest.raises(Refused, match="allowedRedirects does not list") as caught:
            fetch(edge, f"{site.url}/a", tmp_path)
    assert thief.seen == []
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert not [word for word in SECRET_WORDS if word in told]


def test_secrets_follow_a_redirect_to_a_listed_host_unless_the_url_is_signed(tmp_path: Path) -> None:
    with scripted(lambda sent: (200, {}, b"in")) as mirror:
        for query in ("", "?X-Amz-Signature=abc"):
            with scripted(lambda sent, q=query: (302, {"Location": f"{mirror.url}/a{q}"}, b"")) as site:
                fetch(edge_to(site, BASIC_CREDENTIALS, mirror.host), f"{site.url}/a{query[-1:]}", tmp_path)
    assert [sent.get("authorization") for sent in mirror.seen] == [BASIC, None]


def test_without_credentials_any_redirect_is_followed(tmp_path: Path) -> None:
    with (
        scripted(lambda sent: (200, {}, b"in")) as mirror,
        scripted(lambda sent: (302, {"Location": f"{mirror.url}/a"}, b"")) as site,
    ):
        assert fetch(edge_to(site, None), f"{site.url}/a", tmp_path) == b"in"


def test_a_wrong_password_is_told_by_its_code_only(tmp_path: Path) -> None:
    with scripted(Tokens()) as auth, scripted(asking("nobody")) as site:
        edge = edge_to(site, oauth("oauth2_password", auth), environ={**ENVIRON, "PASSWORD": "wr0ng"})
        with pytest.raises(Refused, match="sign-in answered 401: invalid_grant") as caught:
            fetch(edge, f"{site.url}/a", tmp_path)
    told = "".join(traceback.format_exception(caught.value))
    assert "wr0ng" not in told
    assert "s3cret-pass" not in told


def test_a_missing_secret_is_told_before_anything_is_sent() -> None:
    with scripted(asking("nobody")) as site, pytest.raises(DocumentError, match="PASSWORD is not set") as caught:
        edge_to(site, BASIC_CREDENTIALS, environ={"USER": "ada"})
    assert str(caught.value).startswith("provider x: credentials.password")
    assert site.seen == []


def test_secrets_come_from_secrets_manager_and_ssm_by_reference(aws: Site) -> None:
    manager: Any = aws_client(aws, "secretsmanager")
    ssm: Any = aws_client(aws, "ssm")
    manager.create_secret(Name="site-login", SecretString='{"user": "ada", "password": "s3cret-pass"}')
    ssm.put_parameter(Name="/site/token", Value="t0ken-value", Type="SecureString")
    secrets = Secrets(environ={}, secretsmanager=lambda: manager, ssm=lambda: ssm)
    assert secrets.resolve(SecretRef(secretsmanager="site-login", key="password"), "here").reveal() == "s3cret-pass"
    assert secrets.resolve(SecretRef(ssm="/site/token"), "here").reveal() == "t0ken-value"
    for missing in (SecretRef(secretsmanager="none"), SecretRef(ssm="/none")):
        with pytest.raises(DocumentError, match=r"here: the (secret none|parameter /none) "):
            secrets.resolve(missing, "here")
    with pytest.raises(DocumentError, match="'other'"):
        secrets.resolve(SecretRef(secretsmanager="site-login", key="other"), "here")


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret("s3cret-pass")
    assert "s3cret" not in f"{secret} {secret!r} {[secret]} {vars(secret) if hasattr(secret, '__dict__') else ''}"
    with pytest.raises(TypeError):
        json.dumps(secret)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that signs itself, for 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*command, *names], cwd=folder, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


def test_a_custom_authority_is_trusted_when_named_and_only_then(
    nginx: Any, authority: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/a.bin").write_bytes(bytes(3_000_000))
    site = nginx(tmp_path / "site", tls=authority)
    named = Provider(id="x", protocol="https", host=site.host, ca_file=str(authority[0]))
    with closing(connect(named, secrets=Secrets(environ={}))) as edge:
        (archive,) = download([granule_of(f"{site.url}/a.bin")], tmp_path / "out", edge, parallel=1)
        assert archive.path.read_bytes() == bytes(3_000_000)
    unnamed = Provider(id="x", protocol="https", host=site.host)
    with (
        closing(connect(unnamed, secrets=Secrets(environ={}))) as edge,
        pytest.raises(Refused, match="certificate is not trusted"),
    ):
        edge.open(f"{site.url}/a.bin")


def test_small_files_come_over_tls_too(nginx: Any, authority: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    bodies = {f"{number}.bin": bytes([number]) * 40_000 for number in range(40)}
    for name, body in bodies.items():
        (tmp_path / "site" / name).write_bytes(body)
    site = nginx(tmp_path / "site", tls=authority)
    named = Provider(id="x", protocol="https", host=site.host, ca_file=str(authority[0]))
    with closing(connect(named, secrets=Secrets(environ={}))) as edge:
        download([granule_of(f"{site.url}/{name}") for name in bodies], tmp_path / "out", edge, parallel=3)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == bodies


def test_a_connection_goes_on_with_the_tls_session_of_an_earlier_one(
    nginx: Any, authority: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir()
    site = nginx(tmp_path / "site", tls=authority, location='return 200 "$ssl_session_reused";')
    named = Provider(id="x", protocol="https", host=site.host, ca_file=str(authority[0]))
    with closing(connect(named, secrets=Secrets(environ={}))) as edge:
        told = []
        for _ in range(3):
            with open_stream(f"{site.url}/a.bin", edge) as stream:
                told.append(stream.read())
            edge.rest()
    assert told == [b".", b"r", b"r"]


def test_a_server_that_does_not_speak_tls_is_unreachable(nginx: Any, tmp_path: Path) -> None:
    site = nginx(tmp_path)
    with (
        closing(connect(Provider(id="x", protocol="https", host=site.host), secrets=Secrets(environ={}))) as edge,
        pytest.raises(Unreachable, match="TLS failed"),
    ):
        edge.open(f"https://{site.host}/a.bin")


def test_a_ca_file_that_is_none_is_a_document_error(tmp_path: Path) -> None:
    provider = Provider(id="x", protocol="https", host="x.org", ca_file=str(tmp_path / "none.pem"))
    with pytest.raises(DocumentError, match="ca_file"):
        connect(provider, secrets=Secrets(environ={}))


def test_an_unknown_host_key_is_refused_and_told(sshd: Any, tmp_path: Path) -> None:
    site = sshd(tmp_path)
    credentials = Credentials(type="key", username=ref("USER"), private_key=ref("KEY"))
    environ = {"USER": site.extra["user"], "KEY": site.extra["private_key"], "HOME": str(tmp_path)}
    provider = Provider(id="x", protocol="sftp", host=site.host, credentials=credentials)
    with (
        closing(connect(provider, secrets=Secrets(environ=environ))) as edge,
        pytest.raises(Refused, match=r"its host key SHA256:.* is not known"),
    ):
        list(edge.list(str(tmp_path)))


def _errors_of(module: Any) -> list[type[BaseException]]:
    return [kind for _, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, Exception)]


@pytest.mark.parametrize(
    ("table", "kinds"),
    [
        (
            http_connection.FAULTS,
            [*_errors_of(http.client), *_errors_of(ssl), OSError, TimeoutError, ConnectionResetError],
        ),
        (ftp.FAULTS, [*ftplib.all_errors, TimeoutError, ConnectionResetError]),
        (sftp.FAULTS, [*_errors_of(paramiko), OSError, EOFError, FileNotFoundError, TimeoutError]),
        (
            s3.FAULTS,
            [kind for kind in _errors_of(botocore.exceptions) if issubclass(kind, botocore.exceptions.BotoCoreError)],
        ),
    ],
    ids=["http", "ftp", "sftp", "s3"],
)
def test_no_error_of_a_library_is_unmapped(table: Any, kinds: list[type[BaseException]]) -> None:
    ours = (KeyError, NotImplementedError)
    for kind in kinds:
        if kind not in ours:
            error = translate(table, kind.__new__(kind), "https://x.org/a?token=s3cret-pass")
            assert isinstance(error, PileusError)
            assert error.where == "https://x.org/a"

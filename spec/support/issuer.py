"""An issuer of tokens on the loopback interface: real keys, and a real server for their key set."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from pileus.api.sign_in import SignIn

ISSUER = "https://issuer.example.org/pool"
AUDIENCE = "client"
GROUPS = {"readers": "read", "operators": "operate", "admins": "admin"}
NOON = 1_800_000_000
"""Unix time at which specs stand."""
RSA = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
EC = ECKey.generate_key("P-256", {"kid": "curve", "use": "sig", "alg": "ES256"})


def sign_in(**changes: Any) -> SignIn:
    """Settings that name this issuer."""
    return SignIn.model_validate({"issuer": ISSUER, "audience": [AUDIENCE], "groups": GROUPS} | changes)


def claims(*groups: str, **changes: Any) -> dict[str, Any]:
    """What an access token of Cognito says: an hour, from now. None leaves a claim out."""
    usual = {
        "iss": ISSUER,
        "client_id": AUDIENCE,
        "token_use": "access",
        "username": "anna",
        "sub": "0c5f",
        "cognito:groups": list(groups),
        "iat": NOON,
        "exp": NOON + 3600,
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}


def token(*groups: str, key: Any = RSA, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A token that the issuer has signed; `changes`: of its claims."""
    head = {"alg": key.get("alg"), "kid": key.kid} | (header or {})
    return jwt.encode(head, claims(*groups, **changes), key, algorithms=[head["alg"]])


@dataclass
class KeyServer:
    """What it answers, and how often it was asked."""

    url: str
    keys: list[dict[str, Any]]
    status: int = 200
    body: bytes | None = None
    """In place of the keys."""
    asked: int = 0
    headers: dict[str, str] = field(default_factory=dict)


@contextmanager
def key_server(*keys: Any, certificate: Path | None = None) -> Iterator[KeyServer]:
    """Serve the public halves of keys until the block ends: over https, where `certificate` is a file to write one to
    that whoever asks may trust.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked += 1
            body = served.body if served.body is not None else json.dumps({"keys": served.keys}).encode()
            self.send_response(served.status)
            for name, value in served.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        server.socket = _encrypted(certificate).wrap_socket(server.socket, server_side=True)
    scheme = "https" if certificate else "http"
    served = KeyServer(f"{scheme}://127.0.0.1:{server.server_port}/keys", [key.as_dict(private=False) for key in keys])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def _encrypted(certificate: Path) -> ssl.SSLContext:
    """Make a certificate for the loopback interface, which nobody else has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    both = certificate.with_suffix(".key")
    both.write_bytes(secret + certificate.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context

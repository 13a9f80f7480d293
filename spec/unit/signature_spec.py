"""Signed requests: what a gateway computes again from a request is what the client has sent.

The signature is computed here by AWS's description of it, with none of the client's code.
"""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote

import pytest

from pileus.client.remote.http import Http, segment
from pileus.errors import Refused, UsageError

KEY, SECRET, SESSION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session-token"


def mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def is_signed(method: str, target: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether a request carries the signature of KEY for API Gateway in eu-west-1."""
    kind, _, rest = headers.get("authorization", "").partition(" ")
    if kind != "AWS4-HMAC-SHA256":
        return False
    said = dict(part.strip().split("=", 1) for part in rest.split(","))
    moment, names = headers["x-amz-date"], said["SignedHeaders"].split(";")
    scope = f"{moment[:8]}/eu-west-1/execute-api/aws4_request"
    path, _, query = target.partition("?")
    asked = "&".join(sorted(quoted(query)))
    signed = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
    canonical = [method, quote(path), asked, signed, said["SignedHeaders"], hashlib.sha256(body).hexdigest()]
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256("\n".join(canonical).encode()).hexdigest()])
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = mac(key, part)
    return (
        said["Credential"] == f"{KEY}/{scope}"
        and {"host", "x-amz-date", "x-amz-security-token"} <= set(names)
        and said["Signature"] == mac(key, text).hex()
    )


def quoted(query: str) -> Iterator[str]:
    """Its parts as AWS writes them. A plus is a plus."""
    for pair in filter(None, query.split("&")):
        yield "=".join(quote(unquote(part), safe="-_.~") for part in pair.split("=", 1))


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Answers who has signed, and 403 as a gateway does to anybody else. The environment has credentials."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            fine = is_signed(self.command, self.path, headers, body)
            answer = json.dumps({"path": self.path, "body": body.decode()} if fine else {"message": "Forbidden"})
            self.send_response(200 if fine else 403)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer.encode())

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    given = {"ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": SECRET, "SESSION_TOKEN": SESSION, "REGION": "eu-west-1"}
    for name, value in given.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(10)
    server.server_close()


def test_what_is_read_is_signed_with_its_path_and_its_query(gateway: str) -> None:
    http = Http(f"{gateway}/signed/read", "")
    assert http.json("/v1/me")["path"] == "/signed/read/v1/me"
    path = f"/v1/backfills/{segment('a/b c')}/partitions"
    assert http.json(path, text="ä &=+", limit=2)["path"].startswith(f"/signed/read{path}?")


def test_what_is_changed_is_signed_with_its_body(gateway: str) -> None:
    sent = {"collection": "night"}
    answer = Http(f"{gateway}/signed/operate", "").change("POST", "/v1/backfills", sent)
    assert json.loads(answer["body"]) == sent
    assert Http(f"{gateway}/signed/admin", "").change("POST", "/v1/zones/x", body=b"bytes")["body"] == "bytes"


def test_elsewhere_the_token_is_sent_and_a_gateways_refusal_is_told(gateway: str) -> None:
    with pytest.raises(Refused, match="refused before Pileus was asked: status 403"):
        Http(gateway, "token").json("/v1/me")


def test_another_secret_is_refused(gateway: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(Refused):
        Http(f"{gateway}/signed/read", "").json("/v1/me")


def test_without_credentials_or_a_region_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "REGION", "DEFAULT_REGION", "PROFILE"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(UsageError, match="set AWS_REGION"):
        Http("https://pileus.example.org/signed/read", "")
    with pytest.raises(UsageError, match="no AWS credentials"):
        Http("https://a1.execute-api.eu-west-1.amazonaws.com/signed/read", "")

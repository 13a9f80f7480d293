"""The dashboard's server, asked without a browser: who may press its buttons, and what it gives away."""

import json
import socket
import stat
from pathlib import Path

import pytest

from pileus.dashboard.server import new_key, page_files
from pileus.embedded.home import Home
from pileus.wiring import Edges
from spec.support import stage
from spec.support.dashboard import Serve, serve, troubled

__all__ = ["serve", "troubled"]


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Pileus_Token": ""},
        {"X_Pileus_Token": "guessed"},
        {"X_Pileus_Token": "é"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Content_Type": "text/plain"},
        {"Content_Type": ""},
        {"Host": "evil.example"},
    ],
)
def test_another_page_cannot_press_a_button(serve: Serve, troubled: Edges, headers: dict[str, str]) -> None:
    served = serve(troubled)
    assert served.post("retry", **headers)[0] == 403
    assert served.done == []
    assert served.post("retry", Origin=served.server.origin)[0] == 200
    assert served.done == [("retry", "history")]


def test_a_foreign_host_name_reads_nothing(serve: Serve, troubled: Edges) -> None:
    served = serve(troubled)
    status, answer = served.ask("GET", served.path("data/index.json"), {"Host": "rebound.example"})
    assert (status, list(answer)) == (403, ["error"])


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "pictures/../../../etc/passwd",
        "pictures/%2e%2e/manifests/x",
        "pictures//x.png",
        "pictures/%5c..%5cx",
        "pictures/a%00b",
        "data/nothing/zones.json",
        "data/lights/avg_rade9h/nothing.json",
        "data/backfills/nothing.json",
        "anything",
    ],
)
def test_what_is_not_there_is_not_found(serve: Serve, troubled: Edges, path: str) -> None:
    served = serve(troubled)
    status, answer = served.ask("GET", served.path(path))
    assert status == 404
    assert list(answer) == ["error"]


@pytest.mark.parametrize("path", ["", "index.html", "live/session.json", "data/index.json", "wrong/live/session.json"])
def test_who_reaches_the_port_without_the_key_of_the_address_gets_nothing(
    serve: Serve, troubled: Edges, path: str
) -> None:
    status, answer = serve(troubled).ask("GET", f"/{path}")
    assert (status, answer) == (403, {"error": "open the address that `pileus dashboard` has printed"})


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "10001", "9" * 5000])
def test_a_length_that_is_none_is_refused(serve: Serve, troubled: Edges, length: str) -> None:
    served = serve(troubled)
    assert served.post("retry", Content_Length=length)[0] == 400
    assert served.done == []


def test_half_a_request_does_not_wait_for_ever(serve: Serve, troubled: Edges, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pileus.dashboard.server._Handler.timeout", 0.2)
    with socket.create_connection(("127.0.0.1", serve(troubled).server.server_port), timeout=30) as line:
        line.sendall(b"GET / HT")
        assert line.recv(100) == b"", "the server has closed it"


def test_the_key_of_the_address_stays_that_of_the_project(tmp_path: Path) -> None:
    key = Home(tmp_path).secret("page-key", new_key)
    assert Home(tmp_path).secret("page-key", new_key) == key, "a bookmark goes on working"
    assert stat.S_IMODE((tmp_path / ".pileus/page-key").stat().st_mode) == 0o600


def test_the_built_page_names_its_packages_licences_and_no_address_to_load_from() -> None:
    files = page_files()
    licences = files["LICENCES.txt"].decode()
    wanted = json.loads((stage.ROOT / "web/package.json").read_text())["dependencies"]
    for name, version in wanted.items():
        assert f"{name} {version}" in licences
    script = files["app.js"].decode() + files["app.css"].decode() + files["index.html"].decode()
    addresses = {
        part.split('"')[0].split("'")[0] for part in script.split("http")[1:] if part.startswith(("://", "s://"))
    }
    assert addresses <= {"://www.w3.org/2000/svg"}


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads(Path(stage.ROOT / "web/package-lock.json").read_text())
    assert not [one for one in lock["packages"].values() if "resolved" in one]
    assert all(one.get("integrity") for name, one in lock["packages"].items() if name)

"""The dashboard's server, asked without a browser: who may press its buttons, and what it gives away."""

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from pileus.api.roles import Role, TokenFile, new_token
from pileus.api.serve import LocalAuthority
from pileus.cli.serve import run
from pileus.dashboard.static_files import page_files
from pileus.embedded.home import Home
from pileus.errors import UsageError
from pileus.wiring import Edges
from spec.support import stage
from spec.support.dashboard import Serve, serve, troubled

__all__ = ["serve", "troubled"]


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Pileus_Request": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
    ],
)
def test_another_page_cannot_press_a_button(serve: Serve, troubled: Edges, headers: dict[str, str]) -> None:
    served = serve(troubled)
    assert served.post("retry", **headers)[0] == 403
    assert served.done == []
    assert served.post("retry", Origin=served.origin)[0] == 200
    assert served.done == [("retry", "history", "needed")]


def test_a_button_sends_json_alone(serve: Serve, troubled: Edges) -> None:
    """A form of another page can send text, and no JSON."""
    served = serve(troubled)
    assert served.post("retry", Content_Type="text/plain")[0] == 422
    assert served.done == []


def test_a_foreign_host_name_reads_nothing(serve: Serve, troubled: Edges) -> None:
    served = serve(troubled)
    status, answer = served.get("data/index.json", Host="rebound.example")
    assert (status, answer["type"]) == (403, "urn:pileus:Forbidden")


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
    status, answer = served.get(path)
    assert (status, answer["title"]) == (404, "Not Found")


@pytest.mark.parametrize("cookie", ["", "pileus=x", "pileus-PORT=guessed"])
@pytest.mark.parametrize("path", ["live/session.json", "data/index.json", "data/backfills.json", "pictures/x.png"])
def test_who_reaches_the_port_without_the_key_of_the_address_reads_nothing_of_the_stack(
    serve: Serve, troubled: Edges, path: str, cookie: str
) -> None:
    served = serve(troubled)
    status, answer = served.get(path, Cookie=cookie.replace("PORT", str(served.port)))
    assert (status, answer["type"]) == (401, "urn:pileus:NotSignedIn")


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "9" * 5000])
def test_a_length_that_is_none_is_refused(serve: Serve, troubled: Edges, length: str) -> None:
    served = serve(troubled)
    assert served.post("retry", Content_Length=length)[0] in (400, 413)
    assert served.done == []


def test_read_only_refuses_also_who_has_a_token_that_may_more(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    token = tokens.add("ana", Role.admin)
    asks = LocalAuthority(tokens, "own", Role.read, "spec", Role.read).principal(token)
    assert asks is not None
    assert asks.role is Role.read


def test_where_the_api_is_not_installed_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    session: Any = None
    with pytest.raises(UsageError, match=r"pip install 'pileus\[api\]'"):
        run(session, port=0, own="own", role="read", word="dashboard")


def test_the_key_of_the_address_stays_that_of_the_project(tmp_path: Path) -> None:
    key = Home(tmp_path).secret("page-key", new_token)
    assert Home(tmp_path).secret("page-key", new_token) == key, "a bookmark goes on working"
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

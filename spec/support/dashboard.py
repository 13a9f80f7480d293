"""The dashboard served for specs, and a browser that looks at it."""

import http.client
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from pileus.dashboard.server import Dashboard
from pileus.models import Partition, State
from pileus.wiring import Edges
from spec.support import stage

FLAGS = ("no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
         "disable-component-update", "disable-sync")  # fmt: skip


@dataclass
class Served:
    """A dashboard that runs, and what its buttons did."""

    server: Dashboard
    done: list[tuple[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.url

    def path(self, name: str) -> str:
        """The path of a file of the page."""
        return f"/{self.server.key}/{name}"

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, body: str = "") -> tuple[int, Any]:
        """Status and JSON of a bare request, with nothing that a browser would tidy up."""
        line = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=10)
        line.request(method, path, body or None, headers or {})
        answer = line.getresponse()
        text = answer.read()
        line.close()
        return answer.status, json.loads(text) if "json" in answer.headers["Content-Type"] else text

    def post(self, action: str, **headers: str) -> tuple[int, Any]:
        """Press a button without a browser; a header given as empty is left out."""
        _, session = self.ask("GET", self.path("live/session.json"))
        given = {"Content-Type": "application/json", "X-Pileus-Token": session["token"]}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        given = {name: value for name, value in given.items() if value}
        return self.ask("POST", self.path(f"live/backfills/history/{action}"), given, "{}")


Serve = Callable[..., Served]


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    started: list[Dashboard] = []

    def start(edges: Edges, *, read_only: bool = False) -> Served:
        done: list[tuple[str, str]] = []
        acts: dict[str, Callable[[str], Any]] = {
            name: lambda id, name=name: done.append((name, id)) for name in ("pause", "resume", "cancel", "retry")
        }
        server = Dashboard(edges, port=0, actions=acts, read_only=read_only)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return Served(server, done)

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no Chromium here: `apt-get install chromium` brings one")
    with sync_playwright() as play:
        yield play.chromium.launch(executable_path=program, args=[f"--{flag}" for flag in FLAGS])


@dataclass
class Tab:
    """A page and what it did behind the scenes."""

    page: Page
    hosts: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def open(self, url: str) -> Page:
        self.page.goto(url)
        self.page.wait_for_selector("html[data-ready]")
        return self.page


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    page = browser.new_page(viewport={"width": 1360, "height": 860})
    made = Tab(page)
    page.on("request", lambda request: made.hosts.add(urlsplit(request.url).netloc))
    page.on("pageerror", lambda error: made.problems.append(str(error)))
    page.on("console", lambda message: made.problems.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: made.problems.append(f"dialog {dialog.message}"))
    yield made
    page.close()
    assert not made.problems


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Edges:
    """300 zones by 120 months."""
    return stage.made_up(tmp_path_factory.mktemp("many"), stage.grid(15, 20), "2010-01", "2019-12")


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Edges:
    """Countries by two years, and a running backfill of them in which something failed."""
    edges = stage.made_up(tmp_path_factory.mktemp("some"), stage.countries()[:20], "2015-01", "2016-12", "lights")
    backfill = stage.Backfill("history", "lights", "001", "2015-01", "2016-12", "month", started="2026-01-01T00:00")
    edges.index.put_backfill(backfill)
    put = partial(stage.put_entry, edges, backfill=backfill)
    for number in range(1, 11):
        put(Partition("lights", "001", f"2015-{number:02}", "g"), state=State.succeeded, size=9, downloaded=9)
    why = stage.Failure("Corrupt", "<b>its size</b> differs", "a.tgz")
    put(Partition("lights", "001", "2015-11", "g"), state=State.failed, failure=why)
    put(Partition("lights", "001", "2015-12", "g"), state=State.waiting, reason="4 of 6 tiles")
    return edges

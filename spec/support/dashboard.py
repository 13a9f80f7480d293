"""The dashboard served for specs, and a browser that looks at it."""

import http.client
import json
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from pileus.api.roles import Role, TokenFile
from pileus.api.serve import LocalAuthority, server
from pileus.client.local.backfills import LocalBackfills
from pileus.errors import PileusError
from pileus.lifecycle.backfill import Backfill, Select
from pileus.models import Partition, State
from pileus.periods import Period, Unit, span
from pileus.wiring import Edges, wire_folder
from spec.support import stage
from spec.support.api import folder_services

FLAGS = ("no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
         "disable-component-update", "disable-sync")  # fmt: skip


class Pressed(LocalBackfills):
    """Backfills whose changes are only noted: what a button asks for."""

    def pause(self, id: str) -> Backfill:
        return self._note("pause", id)

    def resume(self, id: str) -> Backfill:
        return self._note("resume", id)

    def cancel(self, id: str) -> Backfill:
        return self._note("cancel", id)

    def retry(self, id: str, select: Select = "needed", only: tuple[str, ...] = ()) -> Backfill:
        return self._note("retry", id, select, *only)

    def _note(self, *did: str) -> Backfill:
        served = cast("Served", self.deployment())
        if served.refuses:
            raise served.refuses
        served.done.append(did)
        return self.show(did[1])


@dataclass
class Served:
    """A page that is served, and what its buttons did."""

    port: int
    done: list[tuple[str, ...]] = field(default_factory=list)
    refuses: PileusError | None = None
    """What each button is answered."""

    @property
    def url(self) -> str:
        """The address that signs in."""
        return f"{self.origin}/app/sign-in?token={OWN}"

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, body: str = "") -> tuple[int, Any]:
        """Status and JSON of a bare request, with nothing that a browser would tidy up."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        line.request(method, path, body or None, headers or {})
        answer = line.getresponse()
        text = answer.read()
        line.close()
        return answer.status, json.loads(text) if "json" in (answer.headers["Content-Type"] or "") else text

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """Read a file of the page as its browser does."""
        return self.ask("GET", f"/app/{path}", self._given(headers))

    def post(self, action: str, **headers: str) -> tuple[int, Any]:
        """Press a button without a browser; a header given as empty is left out."""
        given = self._given({"Content_Type": "application/json", "X_Pileus_Request": "1"} | headers)
        return self.ask("POST", f"/v1/backfills/history/{action}", given, "{}")

    def _given(self, headers: dict[str, str]) -> dict[str, str]:
        given = {"Cookie": f"pileus-{self.port}={OWN}"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return {name: value for name, value in given.items() if value}


Serve = Callable[..., Served]
OWN = "the-token-of-the-server-itself"


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    with ExitStack() as stopping:

        def start(edges: Edges, *, read_only: bool = False) -> Served:
            folder = tmp_path_factory.mktemp("served")
            bound = stopping.enter_context(socket.create_server(("127.0.0.1", 0)))
            role = Role.read if read_only else Role.operate
            authority = LocalAuthority(TokenFile(folder / "tokens.json"), OWN, role, "spec", role)
            served = Served(bound.getsockname()[1])
            services, none = folder_services(edges, folder), lambda: None
            made = server(services, authority, bound, names=set(), audit=folder / "audit.log", deployment=none)
            app: Any = made.config.app
            app.state.reach = replace(app.state.reach, backfills=Pressed(services, lambda: served))
            thread = threading.Thread(target=made.run, kwargs={"sockets": [bound]}, daemon=True)
            thread.start()
            stopping.callback(thread.join, 20)
            stopping.callback(setattr, made, "should_exit", True)
            return served

        yield start


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
    begun = {"started": "2026-01-01T00:00", "execution": "made-up"}
    backfill = stage.Backfill("history", "lights", "001", "2015-01", "2016-12", "month", **begun)
    edges.index.put_backfill(backfill)
    put = partial(stage.put_entry, edges, backfill=backfill)
    for number in range(1, 11):
        put(Partition("lights", "001", f"2015-{number:02}", "g"), state=State.succeeded, size=9, downloaded=9)
    why = stage.Failure("Corrupt", "<b>its size</b> differs", "a.tgz")
    put(Partition("lights", "001", "2015-11", "g"), state=State.failed, failure=why)
    put(Partition("lights", "001", "2015-12", "g"), state=State.waiting, reason="4 of 6 tiles")
    return edges


@pytest.fixture(scope="module")
def daily(tmp_path_factory: pytest.TempPathFactory) -> Edges:
    """A backfill of 10,000 days, of which each hundredth failed."""
    edges = wire_folder(tmp_path_factory.mktemp("daily"), {})
    first = Period.parse("19970101", Unit.day, date.min)
    days = list(span(first, first.shift(9_999)))
    backfill = stage.Backfill("days", "days", "001", days[0].iso, days[-1].iso, "day", execution="made-up")
    edges.index.put_backfill(backfill)
    broken = {"state": State.failed, "failure": stage.Failure("Corrupt", "its size differs", "a.tgz")}
    for number, day in enumerate(days):
        facts: Any = broken if number % 100 == 63 else {"state": State.succeeded}
        stage.put_entry(edges, Partition("days", "001", day.iso, day.point), backfill, **facts)
    return edges

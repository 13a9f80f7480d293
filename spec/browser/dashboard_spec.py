"""The dashboard in a real browser: what it shows, what it asks for, and who may press its buttons."""

import http.client
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from pileus.dashboard.export import write_site
from pileus.dashboard.server import Dashboard, page_files
from pileus.errors import UsageError
from pileus.models import Partition, State
from pileus.wiring import Edges, wire_folder
from spec.support import stage
from spec.support.outputs import HOSTILE

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
        _, session = self.ask("GET", "/live/session.json")
        given = {"Content-Type": "application/json", "X-Pileus-Token": session["token"]}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        given = {name: value for name, value in given.items() if value}
        return self.ask("POST", f"/live/backfills/history/{action}", given, "{}")


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


def axe(page: Page) -> list[str]:
    """Serious findings of axe-core."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in ("serious", "critical")
    ]


def test_300_zones_by_120_months_paint_within_a_second_from_under_5_mb(tab: Tab, serve: Serve, many: Edges) -> None:
    served = serve(many)
    paints = []
    for _ in range(3):
        page = tab.open(served.url)
        page.wait_for_selector(".zones path[fill^=rgb]")
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        paints.append(page.evaluate(paint))
    sizes = page.evaluate("performance.getEntriesByType('resource').reduce((sum, one) => sum + one.encodedBodySize, 0)")
    assert min(paints) < 1000, "milliseconds, the best of three"
    assert sizes < 5_000_000
    assert page.locator(".zone-list [role=option]").count() == 300


def test_the_page_asks_no_other_host_and_its_policy_would_not_let_it(tab: Tab, serve: Serve, troubled: Edges) -> None:
    served = serve(troubled)
    page = tab.open(served.url)
    page.locator("nav a", has_text="Backfills").click()
    page.wait_for_selector(".cell")
    assert tab.hosts == {urlsplit(served.url).netloc}
    blocked = "fetch('http://127.0.0.2:9/').then(() => 'through', () => 'blocked')"
    assert page.evaluate(blocked) == "blocked"
    assert any("Content Security Policy" in text for text in tab.problems)
    tab.problems.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(tab: Tab, serve: Serve, troubled: Edges, scheme: Any) -> None:
    served = serve(troubled)
    tab.page.emulate_media(color_scheme=scheme)
    page = tab.open(served.url)
    page.wait_for_selector(".chart")
    assert axe(page) == []
    page.goto(f"{served.url}#/backfills/history")
    page.get_by_role("button", name="Cancel").wait_for()
    assert axe(page) == []
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").wait_for()
    assert axe(page) == []


def test_hostile_names_are_text(tab: Tab, serve: Serve, hostile: Any) -> None:
    page = tab.open(serve(hostile.edges).url)
    for name in HOSTILE:
        page.locator(".zone-list .name", has_text=name[:40]).first.click()
        expect(page.locator(".detail h2")).to_have_text(name)
        expect(page.locator(".picture img")).to_have_js_property("complete", True)
        assert page.locator(".picture img").evaluate("e => e.naturalWidth") > 100
    assert page.locator("img[src=x]").count() == 0


def test_a_stack_with_nothing_in_it_says_so(tab: Tab, serve: Serve, tmp_path: Path) -> None:
    page = tab.open(serve(wire_folder(tmp_path, {})).url)
    expect(page.locator("main")).to_contain_text("No statistics yet")
    page.locator("nav a", has_text="Backfills").click()
    expect(page.locator("main")).to_contain_text("No backfill yet")


def test_zones_that_are_no_longer_populated_keep_their_numbers(tab: Tab, serve: Serve, tmp_path: Path) -> None:
    edges = stage.made_up(tmp_path, stage.grid(1, 3), "2015-01", "2015-03")
    edges.store.delete("s3://internal/registry.json")
    page = tab.open(serve(edges).url)
    expect(page.locator(".zone-list [role=option]")).to_have_count(3)
    expect(page.locator(".detail .value")).to_contain_text("nW/cm2/sr")


def test_the_keyboard_reaches_zones_and_months(tab: Tab, serve: Serve, troubled: Edges) -> None:
    page = tab.open(serve(troubled).url)
    first = page.locator(".detail h2").inner_text()
    page.get_by_role("listbox", name="Zones").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".detail h2")).not_to_have_text(first)
    page.get_by_role("slider", name="Month").focus()
    page.keyboard.press("Home")
    expect(page.locator(".when b")).to_have_text("2015-01")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".when b")).to_have_text("2015-02")
    assert "2015-02" in page.url, "a view can be bookmarked"


def test_a_zone_is_found_by_a_part_of_its_name(tab: Tab, serve: Serve, troubled: Edges) -> None:
    page = tab.open(serve(troubled).url)
    page.get_by_label("Find a zone").fill("kaz")
    expect(page.locator(".zone-list [role=option]")).to_have_count(1)
    page.get_by_label("Find a zone").fill("nowhere")
    expect(page.locator(".zone-list")).to_contain_text("no zone of that name")


def test_the_statistic_changes_map_and_series(tab: Tab, serve: Serve, troubled: Edges) -> None:
    page = tab.open(serve(troubled).url)
    page.get_by_label("Statistic").select_option("valid_share")
    expect(page.locator(".value")).to_contain_text("valid_share")
    assert "valid_share" in page.url


def test_real_months_without_rows_are_gaps_and_say_why(tab: Tab, serve: Serve, mumbai: Any) -> None:
    page = tab.open(f"{serve(mumbai.edges).url}#/places/lights/avg_rade9h/mean/2018-11/519")
    expect(page.locator(".chart .norows")).to_have_count(2)
    expect(page.locator(".chart .dot.thin")).to_have_count(2)
    line = page.locator(".chart .line").get_attribute("d") or ""
    assert line.count("M") == 5
    expect(page.locator(".when")).to_contain_text("failed: Corrupt: SVDNB_npp_20181101.tgz: its size is 12,345 bytes")


def test_progress_is_seen_without_loading_again(tab: Tab, serve: Serve, troubled: Edges) -> None:
    page = tab.open(f"{serve(troubled).url}#/backfills/history")
    cell = page.locator('.cell[data-period="2016-01"]')
    expect(cell).to_have_attribute("aria-label", "2016-01: planned")
    backfill = troubled.index.backfill("history")
    assert backfill is not None
    stage.put_entry(troubled, Partition("lights", "001", "2016-01", "g"), backfill, State.running, lease=2e9)
    expect(cell).to_have_attribute("aria-label", "2016-01: running")


def test_what_failed_says_why_in_plain_text(tab: Tab, serve: Serve, troubled: Edges) -> None:
    page = tab.open(f"{serve(troubled).url}#/backfills/history")
    expect(page.locator("td.why").first).to_have_text("Corrupt: a.tgz: <b>its size</b> differs")
    page.locator('.cell[data-period="2015-12"]').click()
    expect(page.locator(".about")).to_contain_text("waiting, 4 of 6 tiles")


def test_a_button_asks_before_it_acts(tab: Tab, serve: Serve, troubled: Edges) -> None:
    served = serve(troubled)
    page = tab.open(f"{served.url}#/backfills/history")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="No").click()
    assert served.done == []
    page.get_by_role("button", name="Cancel").click()
    with page.expect_response("**/live/backfills/history/cancel") as answer:
        page.get_by_role("button", name="Yes, cancel").click()
    assert answer.value.ok
    assert served.done == [("cancel", "history")]


def test_read_only_has_no_buttons_and_refuses_whoever_asks(tab: Tab, serve: Serve, troubled: Edges) -> None:
    served = serve(troubled, read_only=True)
    page = tab.open(f"{served.url}#/backfills/history")
    page.wait_for_selector(".cell")
    assert page.get_by_role("button", name="Cancel").count() == 0
    assert served.post("cancel") == (403, {"error": "this dashboard is read-only"})


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
    assert served.post("retry", Origin=served.url.rstrip("/"))[0] == 200
    assert served.done == [("retry", "history")]


def test_a_foreign_host_name_reads_nothing(serve: Serve, troubled: Edges) -> None:
    status, answer = serve(troubled).ask("GET", "/data/index.json", {"Host": "rebound.example"})
    assert (status, list(answer)) == (403, ["error"])


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/pictures/../../../etc/passwd",
        "/pictures/%2e%2e/manifests/x",
        "/data/nothing/zones.json",
        "/data/lights/avg_rade9h/nothing.json",
        "/data/backfills/nothing.json",
        "/anything",
    ],
)
def test_what_is_not_there_is_not_found(serve: Serve, troubled: Edges, path: str) -> None:
    status, answer = serve(troubled).ask("GET", path)
    assert status in (400, 404)
    assert list(answer) == ["error"]


def test_an_action_that_cannot_be_done_is_one_line(tab: Tab, serve: Serve, troubled: Edges) -> None:
    served = serve(troubled)

    def refuse(id: str) -> None:
        raise UsageError(f"backfill {id} has ended already")

    served.server.actions["pause"] = refuse
    page = tab.open(f"{served.url}#/backfills/history")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Yes, pause").click()
    expect(page.locator(".about")).to_have_text("backfill history has ended already")
    tab.problems.clear()  # the browser notes the refusal on its console


def test_the_exported_site_is_the_same_page_from_any_static_host(tab: Tab, mumbai: Any) -> None:
    written = write_site(replace(mumbai.edges))
    assert written[0][0] == "s3://protected/site/index.html"

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(mumbai.bucket)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        page = tab.open(f"http://127.0.0.1:{server.server_port}/site/#/places/lights/avg_rade9h/mean/2018-08/518")
        expect(page.locator(".detail h2")).to_have_text("Mumbai Suburban")
        expect(page.locator(".picture img")).to_be_visible()
        assert page.locator(".picture img").evaluate("e => e.decode().then(() => e.naturalWidth)") > 100
        page.locator("nav a", has_text="Backfills").click()
        page.wait_for_selector(".cell")
        assert page.get_by_role("button", name="Cancel").count() == 0
        assert len(tab.hosts) == 1
    finally:
        server.shutdown()
        server.server_close()


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

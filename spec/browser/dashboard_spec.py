"""The dashboard in a real browser: what it shows and what it asks for."""

import re
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from pileus.dashboard.export import write_site
from pileus.errors import NotNow
from pileus.models import Partition, State
from pileus.wiring import Edges, wire_folder
from spec.support import stage
from spec.support.dashboard import OWN, Serve, Tab, browser, daily, many, serve, tab, troubled
from spec.support.outputs import HOSTILE

__all__ = ["browser", "daily", "many", "serve", "tab", "troubled"]


def axe(page: Page) -> list[str]:
    """Findings of axe-core, of any impact."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]}" for one in found]


def test_300_zones_by_120_months_come_in_under_5_mb(tab: Tab, serve: Serve, many: Edges) -> None:
    page = tab.open(serve(many).url)
    page.wait_for_selector(".zones path[fill^=rgb]")
    sizes = page.evaluate("performance.getEntriesByType('resource').reduce((sum, one) => sum + one.encodedBodySize, 0)")
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


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(tab: Tab, serve: Serve, troubled: Edges, scheme: Any, width: int) -> None:
    served = serve(troubled)
    tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    tab.page.set_viewport_size({"width": width, "height": 860})
    page = tab.open(served.url)
    page.wait_for_selector(".chart")
    assert axe(page) == []
    page.goto(f"{served.url}#/backfills/history")
    page.get_by_role("button", name="Cancel").wait_for()
    assert axe(page) == []
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").wait_for()
    assert axe(page) == []
    page.goto(f"{served.url}#/backfills/history/2015-11/g")
    page.locator(".panel .facts").wait_for()
    assert axe(page) == []
    page.goto(f"{served.url}#/start")
    page.get_by_role("button", name="Plan").wait_for()
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


@pytest.mark.parametrize(
    ("events", "period"), [("as they come", "2016-01"), ("refused", "2016-02"), ("cut off", "2016-03")]
)
def test_progress_is_seen_without_loading_again(
    tab: Tab, serve: Serve, troubled: Edges, events: str, period: str
) -> None:
    """Events are heard; where they cannot be, the page asks."""
    if events != "as they come":
        tab.page.route("**/events", lambda route: route.fulfill(status=503) if events == "refused" else route.abort())
    page = tab.open(f"{serve(troubled).url}#/backfills/history")
    cell = page.locator(f'.cell[data-period="{period}"]')
    expect(cell).to_have_attribute("aria-label", f"{period}: planned")
    backfill = troubled.index.backfill("history")
    assert backfill is not None
    stage.put_entry(troubled, Partition("lights", "001", period, "g"), backfill, State.running, lease=2e9)
    expect(cell).to_have_attribute("aria-label", f"{period}: running", timeout=20_000)
    if events != "as they come":
        tab.problems.clear()  # the browser notes each refusal on its console


def test_what_failed_says_why_in_plain_text(tab: Tab, serve: Serve, troubled: Edges) -> None:
    page = tab.open(f"{serve(troubled).url}#/backfills/history")
    expect(page.locator("td.why").first).to_have_text("Corrupt: a.tgz: <b>its size</b> differs")
    page.locator('.cell[data-period="2015-12"]').click()
    expect(page.get_by_role("dialog").locator(".badge")).to_have_text("waiting")
    expect(page.get_by_role("dialog").locator(".why")).to_have_text("4 of 6 tiles")


def test_a_button_asks_before_it_acts(tab: Tab, serve: Serve, troubled: Edges) -> None:
    served = serve(troubled)
    page = tab.open(f"{served.url}#/backfills/history")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="No").click()
    assert served.done == []
    page.get_by_role("button", name="Cancel").click()
    with page.expect_response("**/v1/backfills/history/cancel") as answer:
        page.get_by_role("button", name="Yes, cancel").click()
    assert answer.value.ok
    assert served.done == [("cancel", "history")]


def test_read_only_has_no_buttons_and_refuses_whoever_asks(tab: Tab, serve: Serve, troubled: Edges) -> None:
    served = serve(troubled, read_only=True)
    page = tab.open(f"{served.url}#/backfills/history")
    page.wait_for_selector(".cell")
    assert page.get_by_role("button", name="Cancel").count() == 0
    assert page.get_by_role("link", name="Start a backfill").count() == 0
    status, answer = served.post("cancel")
    assert (status, answer["detail"]) == (403, "spec has the role read: this needs operate")


def test_an_action_that_cannot_be_done_is_one_line(tab: Tab, serve: Serve, troubled: Edges) -> None:
    served = serve(troubled)
    served.refuses = NotNow("backfill history has ended already")
    page = tab.open(f"{served.url}#/backfills/history")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Yes, pause").click()
    expect(page.locator(".sent")).to_have_text("backfill history has ended already")
    tab.problems.clear()  # the browser notes the refusal on its console


@pytest.mark.parametrize(("width", "height", "screens"), [(1400, 900, 3), (400, 800, 8)])
def test_ten_thousand_days_are_looked_over_and_each_is_opened(
    tab: Tab, serve: Serve, daily: Edges, width: int, height: int, screens: int
) -> None:
    tab.page.set_viewport_size({"width": width, "height": height})
    page = tab.open(f"{serve(daily).url}#/backfills/days")
    expect(page.locator(".cell")).to_have_count(10_000)
    size = page.evaluate("[document.documentElement.scrollHeight, document.documentElement.scrollWidth]")
    assert size[0] < screens * height
    assert size[1] <= width
    box = page.locator('.cell[data-period="1997-03-05"]').bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 7
    page.locator('.cell[data-period="1997-03-04"]').focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".about")).to_have_text("1997-03-05: 1 failed")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").locator(".why")).to_have_text("Corrupt: a.tgz: its size differs")


def test_a_partition_shows_its_files_rows_pictures_and_manifest(tab: Tab, serve: Serve, mumbai: Any) -> None:
    page = tab.open(f"{serve(mumbai.edges).url}#/backfills/history/2018-08")
    panel = page.get_by_role("dialog")
    expect(panel.get_by_role("region", name="Files").locator("tbody tr")).to_have_count(1)
    expect(panel.get_by_role("region", name="Files")).to_contain_text("75N060E")
    expect(panel.get_by_role("region", name="Rows")).to_contain_text("Mumbai Suburban")
    expect(panel.locator(".shots img")).to_have_count(2)
    assert panel.locator(".shots img").first.evaluate("e => e.decode().then(() => e.naturalWidth)") > 100
    panel.locator("summary").click()
    expect(panel.get_by_role("region", name="Manifest")).to_contain_text('"fingerprint"')
    assert axe(page) == []
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    assert axe(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_a_grid_of_days(tab: Tab, serve: Serve, daily: Edges, scheme: Any) -> None:
    tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page = tab.open(f"{serve(daily).url}#/backfills/days")
    expect(page.locator(".cell")).to_have_count(10_000)
    assert axe(page) == []


def test_one_group_of_a_point_in_time_is_retried_alone(tab: Tab, serve: Serve, troubled: Edges) -> None:
    backfill = troubled.index.backfill("history")
    assert backfill is not None
    over = troubled.index.put_backfill(replace(backfill, state="failed", ended=backfill.started, closed=True))
    page = tab.open(f"{serve(troubled).url}#/backfills/history/2015-11/g")
    with page.expect_request("**/v1/backfills/history/retry") as asked:
        page.get_by_role("button", name="Retry this group").click()
    troubled.index.put_backfill(replace(backfill, tag=over.tag))  # as it was, for the others
    assert asked.value.post_data_json == {"select": "needed", "only": ["2015-11/g"]}


def test_partitions_are_found_by_state_and_text(tab: Tab, serve: Serve, troubled: Edges) -> None:
    page = tab.open(f"{serve(troubled).url}#/backfills/history")
    rows = page.locator(".found tbody tr")
    expect(rows).to_have_count(2)
    page.get_by_label("State").select_option("all")
    expect(rows).to_have_count(24)
    page.get_by_label("Find").fill("2015-1")
    expect(rows).to_have_count(3)
    page.get_by_label("State").select_option("failed")
    expect(rows).to_have_count(1)
    page.get_by_role("link", name="2015-11").click()
    expect(page.get_by_role("dialog").locator("h2")).to_have_text("2015-11 / g")


def test_all_of_it_works_by_keyboard_alone(tab: Tab, serve: Serve, troubled: Edges) -> None:
    page = tab.open(f"{serve(troubled).url}#/backfills/history")
    page.wait_for_selector(".cell")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className").startswith("cell"):
            break
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    expect(page.locator('.cell[data-period="2015-12"]')).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").locator(".why")).to_have_text("4 of 6 tiles")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator('.cell[data-period="2015-12"]')).to_be_focused()
    expect(page).to_have_url(re.compile(r"#/backfills/history$"))


def test_who_is_not_known_is_asked_for_a_token(tab: Tab, serve: Serve, troubled: Edges) -> None:
    served = serve(troubled)
    page = tab.open(f"{served.origin}/app/#/backfills/history/2015-11")
    page.get_by_label("Token").fill("guessed")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("pileus serve")
    page.get_by_label("Token").fill(OWN)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("dialog").locator("h2")).to_have_text("2015-11 / g")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    tab.problems.clear()  # the browser notes each refusal on its console


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
        assert page.get_by_role("link", name="Start a backfill").count() == 0
        page.locator('.cell[data-period="2018-11"]').click()
        expect(page.get_by_role("dialog").locator(".why")).to_contain_text("12,345 bytes")
        assert page.get_by_role("button", name="Retry").count() == 0
        assert len(tab.hosts) == 1
    finally:
        server.shutdown()
        server.server_close()

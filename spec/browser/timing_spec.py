"""Where the time of a backfill goes, on the page in a real browser."""

from itertools import pairwise
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from pileus.models import Partition, State
from pileus.timing import Hop, Timing
from pileus.wiring import Edges, wire_folder
from spec.support import stage
from spec.support.dashboard import Serve, Tab, browser, serve, tab

__all__ = ["browser", "serve", "tab"]


def put(edges: Edges, id: str, months: int, groups: int) -> None:
    """A backfill whose group N waited 4 + N seconds, and had a connection after one of 10; while files came it
    measured.
    """
    last = f"{2000 + (months - 1) // 12}-{(months - 1) % 12 + 1:02}"
    backfill = stage.Backfill(id, id, "001", "2000-01", last, "month", execution="made-up")
    edges.index.put_backfill(backfill)
    for number in range(months * groups):
        period = f"{2000 + number // groups // 12}-{number // groups % 12 + 1:02}"
        more = number % 7
        hops = {
            "queue": Hop(-4 - number % 50, 4 + number % 50),
            "connection": Hop(0, 1, 0, 10),
            "download": Hop(0, 10 + more, 3_000_000),
            "measure": Hop(4, 8 + more),
            "write": Hop(12 + more, 2, 50_000),
            "commit": Hop(14 + more, 0.05),
            "publish": Hop(14.05 + more, 0.5),
        }
        timing = Timing(1_795_739_665.0 + 8 * (number // 4), hops).to_json()
        facts: Any = {"timing": timing, "seconds": 15.0 + more}
        stage.put_entry(edges, Partition(id, "001", period, f"g{number:04}"), backfill, State.succeeded, **facts)


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Edges:
    edges = wire_folder(tmp_path_factory.mktemp("timed"), {})
    put(edges, "few", 6, 2)
    put(edges, "thousands", 100, 40)
    return edges


def opened(tab: Tab, url: str, id: str) -> Page:
    page = tab.open(f"{url}#/backfills/{id}")
    page.locator("summary", has_text="Where time goes").click()
    page.locator(".gantt li").first.wait_for()
    return page


def test_each_partition_of_a_few_has_a_bar_of_its_hops_on_one_clock(tab: Tab, serve: Serve, timed: Edges) -> None:
    page = opened(tab, serve(timed).url, "few")
    expect(page.locator(".gantt figcaption")).to_have_text("All partitions, from the first moment to the last")
    expect(page.locator(".gantt li")).to_have_count(12)
    first = page.locator(".gantt li").first
    expect(first.locator("svg")).to_have_attribute("aria-label", "2000-01 g0000: queue 4.0 s, connection 1.0 s, "
        "download 10 s, measure 8.0 s, write 2.0 s, commit 50 ms, publish 500 ms")  # fmt: skip
    starts = [float(rect.get_attribute("x") or 0) for rect in page.locator(".gantt .whole").all()]
    assert starts == sorted(starts)
    assert starts[0] < starts[-1]
    first.locator("a").click()
    expect(page.locator(".panel h2")).to_contain_text("2000-01")


def test_hops_that_overlap_lie_one_above_the_other(tab: Tab, serve: Serve, timed: Edges) -> None:
    page = opened(tab, serve(timed).url, "few")
    bar = page.locator(".gantt li").first

    def edges(name: str) -> tuple[float, float]:
        found = bar.locator(f"rect.{name}")
        top, height = (float(found.get_attribute(side) or 0) for side in ("y", "height"))
        return top, top + height

    lanes = sorted(edges(name) for name in ("connection", "download", "measure"))
    assert all(above[1] <= below[0] + 1e-6 for above, below in pairwise(lanes))


def test_the_same_numbers_stand_in_tables(tab: Tab, serve: Serve, timed: Edges) -> None:
    page = opened(tab, serve(timed).url, "few")
    row = page.get_by_role("region", name="Steps").get_by_role("row", name="download")
    expect(row).to_contain_text("36.0 MB")
    page.locator("summary", has_text="The bars in numbers").click()
    numbers = page.get_by_role("region", name="The bars in numbers").get_by_role("row")
    expect(numbers).to_have_count(13)
    expect(numbers.filter(has_text="g0006")).to_contain_text("14 s")


def test_thousands_of_partitions_are_summed_up_and_the_slowest_shown(tab: Tab, serve: Serve, timed: Edges) -> None:
    page = opened(tab, serve(timed).url, "thousands")
    expect(page.locator(".timing [role=status]")).to_contain_text("4,000 partitions took workers 19 h 59 min")
    expect(page.locator(".gantt figcaption")).to_contain_text("The 30 slowest of 4,000 partitions")
    expect(page.locator(".gantt li")).to_have_count(30)
    assert page.locator(".over-time rect").count() <= 60 * 6
    heights = page.locator(".over-time rect").evaluate_all(
        "all => all.map(one => [+one.getAttribute('x'), +one.getAttribute('height')])"
    )
    tallest = max(sum(height for at, height in heights if at == column) for column in range(60))
    assert tallest == pytest.approx(140, abs=0.5)


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_axe_finds_nothing(tab: Tab, serve: Serve, timed: Edges, scheme: Any, width: int) -> None:
    tab.page.emulate_media(color_scheme=scheme)
    tab.page.set_viewport_size({"width": width, "height": 900})
    page = opened(tab, serve(timed).url, "few")
    page.locator("summary", has_text="The bars in numbers").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page).response["violations"]
    assert [f"{one['id']} {one['nodes'][0]['html'][:200]}" for one in found] == []


def test_a_backfill_without_times_says_so(tab: Tab, serve: Serve, timed: Edges) -> None:
    edges = timed
    backfill = stage.Backfill("old", "old", "001", "2000-01", "2000-01", "month", execution="made-up")
    edges.index.put_backfill(backfill)
    stage.put_entry(edges, Partition("old", "001", "2000-01", "g"), backfill, State.succeeded)
    page = tab.open(f"{serve(edges).url}#/backfills/old")
    page.locator("summary", has_text="Where time goes").click()
    expect(page.locator(".timing [role=status]")).to_have_text("1 have ended without times")

"""How soon the dashboard is seen, which only a machine that does nothing else can tell."""

from pileus.wiring import Edges
from spec.support.dashboard import Serve, Tab, browser, many, serve, tab

__all__ = ["browser", "many", "serve", "tab"]


def test_300_zones_by_120_months_paint_within_a_second(tab: Tab, serve: Serve, many: Edges) -> None:
    served = serve(many)
    paints = []
    for _ in range(3):
        page = tab.open(served.url)
        page.wait_for_selector(".zones path[fill^=rgb]")
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        paints.append(page.evaluate(paint))
    assert min(paints) < 1000, "milliseconds, the best of three"

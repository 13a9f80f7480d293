"""Make the pictures of the documentation: the dashboard in a real browser, charts, quicklooks.

    python docs/pictures/make.py

Mumbai's months are real and need the shared data (PILEUS_SHARED names its folder); the countries' values are made up.
Needs Chromium and the `dev` dependencies.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import shapely
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from pileus.api.roles import Role, TokenFile  # noqa: E402
from pileus.edges.aws import Stack  # noqa: E402
from pileus.embedded.home import Home  # noqa: E402
from pileus.models import Partition, State  # noqa: E402
from pileus.outputs import chart, frames, gather, series  # noqa: E402
from pileus.outputs.read import read_stats  # noqa: E402
from pileus.wiring import Edges, wire  # noqa: E402
from spec.support import stage  # noqa: E402
from spec.support.api import folder_services, serving  # noqa: E402

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync")


def main() -> None:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        sys.exit("no Chromium here: `apt-get install chromium` brings one")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=list(FLAGS))

        def page(scheme: str) -> Page:
            return browser.new_page(viewport={"width": 1360, "height": 860}, color_scheme=scheme)  # type: ignore[arg-type]

        made = stage.mumbai(Path(folder) / "mumbai", clips=True, pictures=True)
        if made is None:
            sys.stderr.write("Mumbai's months are not here: set PILEUS_SHARED\n")
        else:
            _mumbai(made[0], page("light"))
        _world(Path(folder) / "world", page)
        _tutorial(Path(folder) / "tutorial", page("light"))


def _mumbai(edges: Edges, page: Page) -> None:
    table = read_stats(edges.store, "protected", "lights")
    axis = series.axis(table["period"].to_pylist())
    lines = [series.series(table, zone, "mean", "avg_rade9h", axis) for zone in ("519", "518")]
    for name, dark in (("series-light", False), ("series-dark", True)):
        picture = chart.draw(lines, title="Mumbai: mean of avg_rade9h", window=6 if dark else None, dark=dark)
        (HERE / f"{name}.png").write_bytes(picture)
    shape = shapely.geometry.shape(stage.shapes(edges)["features"][1]["geometry"])
    why = {"2018-03": "waiting: nothing published"}
    found = gather.frames(edges.store, "protected", table, "lights", "518", "avg_rade9h", axis, shape, why)
    frames.contact_sheet(found).save(HERE / "sheet.png", optimize=True)
    quicklook = "pictures/collection=lights/version=001/period=2018-08/group=20180801/avg_rade9h/518.png"
    (HERE / "quicklook.png").write_bytes(edges.store.get(edges.protected(quicklook)))
    with _served(edges) as url:
        _shoot(page, f"{url}#/places/lights/avg_rade9h/mean/2018-08/518", ".picture img", "dashboard-places")


def _world(folder: Path, page: Callable[[str], Page]) -> None:
    edges = stage.made_up(folder, stage.countries(), "2012-04", "2018-05", "countries")
    backfill = stage.Backfill(
        "history", "countries", "001", "2012-04", "2018-05", "month", started_by="ana",
        started="2026-11-20T08:12", execution="made-up",
    )  # fmt: skip
    edges.index.put_backfill(backfill)
    for number, period in enumerate(stage.span(stage.month("2012-04"), stage.month("2017-02"))):
        partition, state, facts = Partition("countries", "001", period.iso, period.point + "01"), State.succeeded, {}
        if number in (17, 40):
            state, facts = State.failed, {"failure": _FAILURES[number == 40]}
        elif number == 29:
            state, facts = State.waiting, {"reason": "4 of 6 tiles published: 00N060E, 00N060W missing"}
        elif number > 54:
            state, facts = State.running if number < 57 else State.queued, {"lease": 4e9}
        done = 2_800_000_000 if state is State.succeeded else 0
        stage.put_entry(edges, partition, backfill, state, size=2_800_000_000, downloaded=done, **facts)
    with _served(edges) as url:
        _shoot(page("dark"), f"{url}#/places/countries/avg_rade9h/mean/2016-12/Italy", ".chart", "dashboard-world")
        _shoot(page("light"), f"{url}#/backfills/history", ".cell", "dashboard-backfills")


def _tutorial(folder: Path, page: Page) -> None:
    """Do what docs/tutorial.md says, and show the map that it ends with."""

    def pileus(*words: str) -> None:
        subprocess.run([sys.executable, "-m", "pileus", *words], cwd=folder, check=True)

    folder.mkdir()
    pileus("init")
    pileus("up", "--detach")
    try:
        pileus("populate")
        pileus("backfill", "viirs_sample", "--wait")
        running = Home(folder).running()
        assert running is not None
        edges = wire(os.environ, running.aws, Stack.from_env(running.stack))
        with _served(edges) as url:
            _shoot(page, f"{url}#/places/viirs_sample/avg_rade9h/mean/2015-03/seam", ".chart", "tutorial-map")
    finally:
        pileus("down")


_FAILURES = (
    stage.Failure("Corrupt", "its SHA-256 is not the listed one", "SVDNB_npp_20130901-20130930_75N060E.tgz"),
    stage.Failure("Unreachable", "no answer within 60 s, tried 8 times", "SVDNB_npp_20150801-20150831_00N060W.tgz"),
)


@contextmanager
def _served(edges: Edges) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with serving(folder_services(edges, folder), folder) as served:
            ana = TokenFile(folder / "tokens.json").add("ana", Role.operate)
            yield f"{served.url}/app/sign-in?token={ana}"


def _shoot(page: Page, url: str, wait: str, name: str) -> None:
    page.goto(url)
    page.wait_for_selector(wait)
    page.wait_for_load_state("networkidle") if "backfills" not in url else page.wait_for_timeout(300)
    page.screenshot(path=HERE / f"{name}.png")
    page.close()


if __name__ == "__main__":
    main()

"""Everything goes wrong at once, and at the end every partition is there once, with the rows of a quiet run."""

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data.sample import serve
from pileus.outputs.read import read_stats
from spec.servers import free_port
from spec.support.shared import PROVIDER_PATH, lay_out, shared
from spec.support.stack import GROUP, Project

MONTHS = [f"{year}{month:02}" for year in range(2014, 2018) for month in range(1, 13)] + ["201801", "201802", "201803"]
PARTITIONS = len(MONTHS) * 6
KILLS = 10
LEASE = 6
"""Seconds."""
CONNECTIONS = 3
"""What the provider allows: fewer than two workers would use."""


class Site:
    """The real site behind a server that fails one request in ten, once told to."""

    def __init__(self, folder: Path) -> None:
        self.port, self.failing, self.whole = free_port(), False, Counter[str]()
        """`whole`: archives that were sent to their last byte, since it fails."""
        self.open, self.frozen, self.most, self.failures = set[int](), set[int](), 0, 0
        """Ports of the clients that are connected, and of one that was stopped; most connections at once without the
        latter, whose worker can close none."""
        dice, lock, site = random.Random(7), threading.Lock(), self

        class Flaky(serve.Quiet):
            def setup(self) -> None:
                super().setup()
                with lock:
                    site.open.add(self.client_address[1])
                    site.most = max(site.most, len(site.open - site.frozen))

            def finish(self) -> None:
                with lock:
                    site.open.discard(self.client_address[1])
                super().finish()

            def do_GET(self) -> None:  # noqa: N802 - http.server names it
                with lock:
                    bad = site.failing and dice.random() < 0.1
                    how = dice.choice(["busy", "reset"])
                    site.failures += bad
                if bad and how == "busy":
                    self.send_error(503)
                elif bad:
                    self.close_connection = True
                    self.connection.close()
                else:
                    super().do_GET()
                    if site.failing and self.path.endswith(".tgz"):
                        with lock:
                            site.whole[self.path] += 1

        handler: Any = lambda *args: Flaky(*args, directory=str(folder))  # noqa: E731
        self.server = serve.ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *args: None  # type: ignore[method-assign]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("real")
    lay_out(folder, MONTHS)
    made = Site(folder)
    yield made
    made.server.shutdown()
    made.server.server_close()


def describe(project: Project, site: Site) -> None:
    """Two collections over the same 51 months, each tile a partition of its own: one for quiet, one for chaos."""
    zones = json.loads(shared("data/zones/countries_10m.geojson").read_text())
    wanted = {"India", "Burundi", "Brazil", "Fiji", "Kenya", "Iceland"}
    zones["features"] = [f for f in zones["features"] if f["properties"]["name"] in wanted]
    project.document("data/zones/countries.geojson", zones)
    project.document(
        "data/providers/site.json",
        {"id": "site", "protocol": "http", "host": "127.0.0.1", "port": site.port, "attempts": 12}
        | {"globalConnectionLimit": CONNECTIONS},
    )
    process = {"band": "avg_rade9h", "valid": {"band": "cf_cvg", "min": 1}, "zones": "data/zones/countries.geojson"}
    for name in ("quiet", "chaos"):
        project.collection(
            name,
            MONTHS[0],
            MONTHS[-1],
            zones="",
            provider_path=PROVIDER_PATH + "/{{pointInTime}}/vcmcfg/",
            meta={"group": GROUP | {"by": ["start", "tile"]}, "process": process},
        )


def rows(project: Project, collection: str) -> dict[tuple[str, ...], dict[str, Any]]:
    edges = project.edges
    found = read_stats(edges.store, edges.stack.protected, collection).to_pylist()
    return {(row["period"], row["group"], row["zone"], row["band"]): row for row in found}


def counts(project: Project, id: str) -> Counter[str]:
    return Counter(project.counts(id))


def done(project: Project, id: str) -> int:
    found = counts(project, id)
    return found["succeeded"] + found["skipped"]


def clients_of(pid: int, port: int) -> set[int]:
    """Local ports of a process's connections to `port`."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
        except FileNotFoundError:
            continue
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    mine = [row for row in rows if row[9] in inodes and int(row[2].rpartition(":")[2], 16) == port]
    return {int(row[1].rpartition(":")[2], 16) for row in mine}


def freeze(project: Project, site: Site) -> None:
    """Stop a worker for longer than its lease."""
    pid = project.running.workers[0]
    os.kill(pid, signal.SIGSTOP)
    site.frozen |= clients_of(pid, site.port)
    time.sleep(LEASE + 4)
    os.kill(pid, signal.SIGCONT)


def wreck(project: Project, site: Site) -> None:
    """Kill ten workers and the embedded AWS, freeze a worker, pause and resume, and start a twin, spread over the
    backfill."""
    dice = random.Random(11)
    for blow in range(KILLS):
        mark = (blow + 1) * PARTITIONS // (KILLS + 4)
        project.wait_for(lambda mark=mark: done(project, "chaos") >= mark, 600)  # type: ignore[misc]
        if blow == 2:
            project.pileus("backfill", "chaos", "--name", "twin")
        if blow == 4:
            before = project.running.ministack
            project.kill(before)
            project.wait_for(lambda before=before: project.running.ready and project.running.ministack != before)  # type: ignore[misc]
        if blow == 6:
            freeze(project, site)
        if blow == 7:
            project.pileus("pause", "chaos")
            project.pileus("resume", "chaos")
        victim = dice.choice(project.running.workers)
        project.kill(victim)
        project.wait_for(lambda victim=victim: victim not in project.running.workers)  # type: ignore[misc]


def test_chaos(project: Project, site: Site) -> None:
    describe(project, site)
    project.up(workers=2, visibility_seconds=LEASE, deaths=10)
    project.pileus("populate")
    project.pileus("backfill", "quiet", "--name", "quiet", "--wait")
    clean = rows(project, "quiet")
    assert len(clean) >= PARTITIONS

    site.failing, began = True, time.monotonic()
    project.pileus("backfill", "chaos", "--name", "chaos")
    wreck(project, site)
    project.wait_for(lambda: done(project, "chaos") == PARTITIONS, 600)
    project.wait_for(lambda: done(project, "twin") == PARTITIONS, 300)
    seconds = time.monotonic() - began

    manifests = list(project.edges.store.list(project.edges.protected("manifests/chaos/")))
    assert len(manifests) == PARTITIONS, "every partition is there"
    told = commits(project)
    assert max(told.values()) == 1, "and nobody was told twice that one is done"
    for key, row in rows(project, "chaos").items():
        assert row == clean[key], "the row of the quiet run"
    assert len(rows(project, "chaos")) == len(clean)
    again = site.whole.total() - PARTITIONS
    print(
        f"\n{PARTITIONS} partitions in {seconds:.0f} s, {site.failures} requests failed, {again} archives sent again,"
    )
    print(f"no one more than {max(site.whole.values())} times, {site.most} connections of {CONNECTIONS} at most")
    assert site.most <= CONNECTIONS
    assert again <= KILLS + LOSSES, "only what was lost is sent again"
    project.wait_for(lambda: not list(project.home.scratch.rglob("*.tgz")), 180)  # what nobody came for is kept a while
    project.wait_for(lambda: {b["state"] for b in project.json("backfills")} == {"succeeded"}, 120)
    assert not counts(project, "chaos")["running"]


LOSSES = 2 + 1 + 2
"""Groups under way that may be lost besides those of killed workers: both when the engine is lost, one in the frozen
worker, both at the pause."""


def commits(project: Project) -> Counter[str]:
    """How often a worker said that a partition of `chaos` has succeeded, by partition."""
    found = Counter[str]()
    for path in project.home.logs.glob("worker-*.log"):
        for line in path.read_text().splitlines():
            if '"message": "succeeded"' in line and '"chaos/' in line:
                found[json.loads(line)["partition"]] += 1
    return found

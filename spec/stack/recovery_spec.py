"""kill -9 of any part: `up` brings all back, and finished work is neither lost nor repeated."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.sample import make, serve
from pileus.edges.queues import QUEUES
from spec.servers import free_port
from spec.support.stack import Project


class Site:
    """The sample provider; `gate` holds back every archive while it is shut, and `served` counts them."""

    def __init__(self, folder: Path) -> None:
        make.make(folder)
        self.port, self.served, self.gate = free_port(), [], threading.Event()
        self.asked = threading.Event()
        site = self

        class Gated(serve.Quiet):
            def do_GET(self) -> None:  # noqa: N802 - http.server names it
                if self.path.endswith(".tgz"):
                    site.asked.set()
                    site.gate.wait(60)
                    site.served.append(self.path)
                super().do_GET()

        self.server = serve.ThreadingHTTPServer(
            ("127.0.0.1", self.port), lambda *args: Gated(*args, directory=str(folder))
        )
        self.server.daemon_threads = True
        self.gate.set()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "site")
    yield made
    made.gate.set()
    made.server.shutdown()
    made.server.server_close()


def prepared(project: Project, site: Site, workers: int = 1, **settings: int) -> None:
    project.document("data/zones/sample.geojson", make.zones())
    project.document(
        "data/providers/site.json", {"id": "site", "protocol": "http", "host": "127.0.0.1", "port": site.port}
    )
    project.collection(
        "sample",
        "201501",
        "201503",
        zones="data/zones/sample.geojson",
        provider_path="/viirs/{{pointInTime}}/vcmcfg/",
    )
    project.up(workers=workers, **settings)
    project.pileus("populate")


def counts(project: Project, id: str) -> dict[str, int]:
    found: dict[str, int] = project.json("status", id)["counts"]
    return found


def test_after_kill_9_of_everything_finished_work_is_still_known(project: Project, site: Site) -> None:
    prepared(project, site)
    project.pileus("backfill", "sample", "--name", "once", "--wait")
    running, served = project.running, len(site.served)
    for pid in (running.supervisor, running.ministack, *running.workers):
        project.kill(pid)

    project.up(workers=1)
    assert counts(project, "once") == {"succeeded": 3}
    assert "nothing to do" in project.pileus("backfill", "sample", "--wait")
    assert len(site.served) == served


def test_a_backfill_goes_on_after_kill_9_of_the_embedded_aws(project: Project, site: Site) -> None:
    prepared(project, site)
    site.gate.clear()
    project.pileus("backfill", "sample", "--name", "on")
    assert site.asked.wait(60)
    before = project.running.ministack
    project.kill(before)
    project.wait_for(lambda: project.running.ready and project.running.ministack != before)
    site.gate.set()
    project.wait_for(lambda: counts(project, "on") == {"succeeded": 3}, 90)


def test_a_worker_killed_in_mid_download_loses_its_group_to_the_next(project: Project, site: Site) -> None:
    prepared(project, site, visibility_seconds=6)
    site.gate.clear()
    project.pileus("backfill", "sample", "--name", "lost")
    assert site.asked.wait(60)
    (victim,) = project.running.workers
    project.kill(victim)
    site.gate.set()
    project.wait_for(lambda: counts(project, "lost") == {"succeeded": 3}, 90)
    attempts = [p["attempt"] for p in project.json("status", "lost")["partitions"]]
    assert sorted(attempts) == [1, 1, 2], "one group was begun twice, once by the worker that died"


def test_down_hands_back_what_is_under_way_and_up_finishes_it(project: Project, site: Site) -> None:
    prepared(project, site)
    site.gate.clear()
    project.pileus("backfill", "sample", "--name", "back")
    assert site.asked.wait(60)
    project.pileus("down")
    assert "handed back" in (project.home.logs / "worker-0.log").read_text()
    site.gate.set()
    project.up(workers=1)
    project.wait_for(lambda: counts(project, "back") == {"succeeded": 3}, 90)


def test_scratch_of_a_killed_worker_does_not_stay(project: Project, site: Site) -> None:
    prepared(project, site, visibility_seconds=6)
    site.gate.clear()
    project.pileus("backfill", "sample", "--name", "swept")
    assert site.asked.wait(60)
    project.kill(project.running.workers[0])
    site.gate.set()
    project.wait_for(lambda: counts(project, "swept") == {"succeeded": 3}, 90)
    assert not list(project.home.scratch.rglob("*.part"))
    assert not list(project.home.scratch.rglob("*.tgz")), "whoever took the group up went on with its downloads"


def test_no_message_is_left_behind(project: Project, site: Site) -> None:
    prepared(project, site)
    project.pileus("backfill", "sample", "--name", "clean", "--wait")
    stack = project.running.stack
    for queue in QUEUES:
        for name in (f"PILEUS_{queue.upper()}", f"PILEUS_{queue.upper()}_DEAD"):
            attributes = project.aws.sqs.get_queue_attributes(QueueUrl=stack[name], AttributeNames=["All"])[
                "Attributes"
            ]
            waiting = [int(attributes[a]) for a in attributes if a.startswith("ApproximateNumberOfMessages")]
            assert sum(waiting) == 0, json.dumps(attributes)

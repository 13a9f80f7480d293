"""kill -9 of any part: `up` brings all back, and finished work is neither lost nor repeated."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.sample import make
from pileus.edges.queues import QUEUES
from spec.support.gated import GatedSite
from spec.support.stack import Project


@pytest.fixture
def site(tmp_path: Path) -> Iterator[GatedSite]:
    """The sample provider."""
    make.make(tmp_path / "site")
    made = GatedSite(tmp_path / "site")
    yield made
    made.close()


def prepared(project: Project, site: GatedSite, workers: int = 1, **settings: int) -> None:
    project.document("data/zones/sample.geojson", make.zones())
    project.document("data/providers/site.json", site.provider())
    project.collection(
        "sample",
        "201501",
        "201503",
        zones="data/zones/sample.geojson",
        provider_path="/viirs/{{pointInTime}}/vcmcfg/",
    )
    project.up(workers=workers, **settings)
    project.pileus("populate")


def test_after_kill_9_of_everything_finished_work_is_still_known(project: Project, site: GatedSite) -> None:
    prepared(project, site)
    project.pileus("backfill", "sample", "--name", "once", "--wait")
    running, served = project.running, len(site.served)
    for pid in (running.supervisor, running.ministack, *running.workers):
        project.kill(pid)

    project.up(workers=1)
    assert project.counts("once") == {"succeeded": 3}
    assert "nothing to do" in project.pileus("backfill", "sample", "--wait")
    assert len(site.served) == served


def test_a_backfill_goes_on_after_kill_9_of_the_embedded_aws(project: Project, site: GatedSite) -> None:
    prepared(project, site)
    site.gate.clear()
    project.pileus("backfill", "sample", "--name", "on")
    assert site.asked.wait(60)
    before = project.running.ministack
    project.kill(before)
    project.wait_for(lambda: project.running.ready and project.running.ministack != before)
    site.gate.set()
    project.wait_for(lambda: project.counts("on") == {"succeeded": 3}, 90)


def test_a_worker_killed_in_mid_download_loses_its_group_to_the_next(project: Project, site: GatedSite) -> None:
    prepared(project, site, visibility_seconds=6)
    site.gate.clear()
    project.pileus("backfill", "sample", "--name", "lost")
    assert site.asked.wait(60)
    (victim,) = project.running.workers
    project.kill(victim)
    site.gate.set()
    project.wait_for(lambda: project.counts("lost") == {"succeeded": 3}, 90)
    attempts = [p["attempt"] for p in project.json("status", "lost")["partitions"]]
    assert sorted(attempts) == [1, 1, 2], "one group was begun twice, once by the worker that died"


def test_down_hands_back_what_is_under_way_and_up_finishes_it(project: Project, site: GatedSite) -> None:
    prepared(project, site)
    site.gate.clear()
    project.pileus("backfill", "sample", "--name", "back")
    assert site.asked.wait(60)
    project.pileus("down")
    assert "handed back" in (project.home.logs / "worker-0.log").read_text()
    site.gate.set()
    project.up(workers=1)
    project.wait_for(lambda: project.counts("back") == {"succeeded": 3}, 90)


def test_scratch_of_a_killed_worker_does_not_stay(project: Project, site: GatedSite) -> None:
    prepared(project, site, visibility_seconds=6)
    site.gate.clear()
    project.pileus("backfill", "sample", "--name", "swept")
    assert site.asked.wait(60)
    project.kill(project.running.workers[0])
    site.gate.set()
    project.wait_for(lambda: project.counts("swept") == {"succeeded": 3}, 90)
    assert not list(project.home.scratch.rglob("*.part"))
    assert not list(project.home.scratch.rglob("*.tgz")), "whoever took the group up went on with its downloads"


def test_no_message_is_left_behind(project: Project, site: GatedSite) -> None:
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

"""kill -9 of any part: `up` brings all back, and finished work is neither lost nor repeated."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.sample import make
from pileus.edges.queues import QUEUES
from spec.support.gated import GatedSite
from spec.support.stack import Project, project_of

LEASE = 6


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project that the specs of this file share, each with a collection of its own."""
    with project_of(tmp_path_factory.mktemp("project")) as project:
        project.document("data/zones/sample.geojson", make.zones())
        yield project


@pytest.fixture
def project(home: Project) -> Project:
    """Its stack is up with one worker, whatever another spec has killed."""
    home.up(workers=1, visibility_seconds=LEASE)
    home.wait_for(lambda: home.running.ready)
    return home


@pytest.fixture
def site(tmp_path: Path) -> Iterator[GatedSite]:
    """The sample provider."""
    make.make(tmp_path / "site")
    made = GatedSite(tmp_path / "site")
    yield made
    made.close()


def prepared(project: Project, site: GatedSite, name: str) -> None:
    """Populate a collection of the three months."""
    project.document("data/providers/site.json", site.provider())
    path = "/viirs/{{pointInTime}}/vcmcfg/"
    project.collection(name, "201501", "201503", zones="data/zones/sample.geojson", provider_path=path)
    project.pileus("populate")


def lambdas(project: Project, name: str) -> list[int]:
    """The processes of a Lambda of the stack: its fork server's, each in a folder with the Lambda's name."""
    servers = subprocess.run(["pgrep", "-P", str(project.running.ministack)], capture_output=True, text=True).stdout
    parents = ",".join(servers.split())
    found = subprocess.run(["pgrep", "-P", parents], capture_output=True, text=True, check=True).stdout.split()
    return [int(pid) for pid in found if name in str(Path(f"/proc/{pid}/cwd").readlink())]


def test_after_kill_9_of_everything_finished_work_is_still_known(project: Project, site: GatedSite) -> None:
    prepared(project, site, "once")
    project.pileus("backfill", "once", "--name", "once", "--wait")
    running, served = project.running, len(site.served)
    for pid in (running.supervisor, running.ministack, *running.workers):
        project.kill(pid)

    project.up(workers=1, visibility_seconds=LEASE)
    assert project.counts("once") == {"succeeded": 3}
    assert "nothing to do" in project.pileus("backfill", "once", "--wait")
    assert len(site.served) == served


def test_a_backfill_goes_on_after_kill_9_of_the_embedded_aws(project: Project, site: GatedSite) -> None:
    prepared(project, site, "on")
    site.gate.clear()
    project.pileus("backfill", "on", "--name", "on")
    assert site.asked.wait(60)
    before = project.running.ministack
    project.kill(before)
    project.wait_for(lambda: project.running.ready and project.running.ministack != before)
    site.gate.set()
    project.wait_until_over("on", 90)
    assert project.counts("on") == {"succeeded": 3}


def test_a_lambda_killed_while_it_lists_a_month_is_called_again(project: Project, site: GatedSite) -> None:
    prepared(project, site, "listed")
    left = iter(range(3))

    def kill() -> None:
        if next(left, None) is not None:
            for pid in lambdas(project, "DiscoverGranules"):
                project.kill(pid)

    site.listed = kill
    project.pileus("backfill", "listed", "--name", "listed", "--wait")
    assert next(left, None) is None, "three were killed"
    assert project.counts("listed") == {"succeeded": 3}


def test_a_worker_killed_in_mid_download_loses_its_group_to_the_next(project: Project, site: GatedSite) -> None:
    prepared(project, site, "lost")
    site.gate.clear()
    project.pileus("backfill", "lost", "--name", "lost")
    assert site.asked.wait(60)
    (victim,) = project.running.workers
    project.kill(victim)
    site.gate.set()
    project.wait_until_over("lost", 90)
    assert project.counts("lost") == {"succeeded": 3}
    attempts = [p["attempt"] for p in project.json("status", "lost")["partitions"]]
    assert sorted(attempts) == [1, 1, 2], "one group was begun twice, once by the worker that died"


def test_down_hands_back_what_is_under_way_and_up_finishes_it(project: Project, site: GatedSite) -> None:
    prepared(project, site, "back")
    site.gate.clear()
    project.pileus("backfill", "back", "--name", "back")
    assert site.asked.wait(60)
    log = project.home.logs / "worker-0.log"
    before = len(log.read_text())
    project.pileus("down")
    assert "handed back" in log.read_text()[before:]
    site.gate.set()
    project.up(workers=1, visibility_seconds=LEASE)
    project.wait_until_over("back", 90)
    assert project.counts("back") == {"succeeded": 3}


def test_scratch_of_a_killed_worker_does_not_stay(project: Project, site: GatedSite) -> None:
    prepared(project, site, "swept")
    site.gate.clear()
    project.pileus("backfill", "swept", "--name", "swept")
    assert site.asked.wait(60)
    project.kill(project.running.workers[0])
    site.gate.set()
    project.wait_until_over("swept", 90)
    assert project.counts("swept") == {"succeeded": 3}
    assert not list(project.home.scratch.rglob("*.part"))
    assert not list(project.home.scratch.rglob("*.tgz")), "whoever took the group up went on with its downloads"


def test_no_message_is_left_behind(stack: Project, site: GatedSite) -> None:
    stack.document("data/zones/sample.geojson", make.zones())
    prepared(stack, site, "clean")
    stack.pileus("backfill", "clean", "--name", "clean", "--wait")
    queues = stack.running.stack
    for queue in QUEUES:
        for name in (f"PILEUS_{queue.upper()}", f"PILEUS_{queue.upper()}_DEAD"):
            attributes = stack.aws.sqs.get_queue_attributes(QueueUrl=queues[name], AttributeNames=["All"])["Attributes"]
            waiting = [int(attributes[a]) for a in attributes if a.startswith("ApproximateNumberOfMessages")]
            assert sum(waiting) == 0, json.dumps(attributes)

"""The order of a backfill: months are worked on as the order says, though queues keep none."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pileus.embedded.deployment import SETTINGS
from spec.support import tiny
from spec.support.stack import Project, project_of

MONTHS = [f"{year}{month:02}" for year in (2014, 2015) for month in range(1, 13)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack without workers."""
    with project_of(tmp_path_factory.mktemp("project")) as made:
        made.up(workers=0)
        yield made


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_24_months_are_worked_on_in_their_order(project: Project, order: str) -> None:
    tiny.collection(project, order, MONTHS[0], MONTHS[-1])
    tiny.publish(project, order, *MONTHS)
    project.pileus("populate")
    id = project.json("backfill", order, "--order", order)["id"]
    window = SETTINGS["point_concurrency"]
    project.wait_for(lambda: project.counts(id).get("queued", 0) == window)
    running = project.running
    environment = os.environ | running.credentials.to_env() | running.stack | {"AWS_ENDPOINT_URL": running.endpoint}
    worker = subprocess.Popen(
        [sys.executable, "-m", "pileus", "worker"], cwd=project.path, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        project.wait_until_over(id)
    finally:
        worker.terminate()
        worker.wait(30)
    assert project.counts(id) == {"succeeded": len(MONTHS)}
    entries = project.edges.index.entries(order, "001", "2014-01", "2015-12")
    ended = [entry.partition.period.replace("-", "") for entry in sorted(entries, key=lambda entry: entry.updated)]
    wanted = MONTHS if order == "oldest" else MONTHS[::-1]
    # The first months are there when the worker begins. Later ones come while it works: one may be there before
    # its elder, but never by more than the months that are looked for at once.
    assert ended[:window] == wanted[:window]
    assert all(abs(ended.index(month) - place) < window for place, month in enumerate(wanted))

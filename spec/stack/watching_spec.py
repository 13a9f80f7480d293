"""Watching a backfill where nobody sits at a terminal: a line for each thing, Ctrl-C, logs that follow."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pileus.deploy.synth import check_settings
from spec.support import tiny
from spec.support.api import serving, stack_services
from spec.support.stack import Project

MONTHS = ["201501", "201502", "201503"]


@pytest.fixture(scope="module")
def watched(stack: Project) -> Project:
    """Three months: the first is whole, the second cannot be read, the third is not published."""
    tiny.collection(stack, "watched", MONTHS[0], MONTHS[-1])
    tiny.publish(stack, "watched", *MONTHS[:2])
    next((stack.path / "site/watched/201502").iterdir()).write_bytes(b"\x1f\x8b no archive")
    (stack.path / "site/watched/201503").mkdir()
    stack.pileus("populate")
    return stack


@pytest.fixture
def still(watched: Project) -> Iterator[Project]:
    """Nobody works until the spec lets them."""
    for pid in watched.running.workers:
        os.kill(pid, signal.SIGSTOP)
    yield watched
    go_on(watched)


def go_on(project: Project) -> None:
    for pid in project.running.workers:
        os.kill(pid, signal.SIGCONT)


def lines(text: str) -> list[str]:
    """The lines of things that happened, without their time."""
    found = re.findall(r"^\d\d:\d\d:\d\d  (.*)$", text, re.MULTILINE)
    return [re.sub(r"  +", " ", one) for one in found]


def test_each_thing_that_happens_is_a_line(watched: Project) -> None:
    told = lines(watched.pileus("backfill", "watched", "--name", "w-lines", "--wait", code=1))
    assert told[0] == "run run 1 of w-lines began"
    assert told[-1].startswith("backfill failed")
    assert "succeeded 2015-01 201501" in told
    assert [one for one in told if one.startswith("failed 2015-02 201502 ArchiveError: tiny_201502.tgz")]
    assert [one for one in told if one.startswith("waiting 2015-03")]


def test_a_retry_is_told_too_and_json_stays_json(watched: Project) -> None:
    watched.pileus("backfill", "watched", "--name", "w-retry", "--wait", code=1)
    told = lines(watched.pileus("retry", "w-retry", "2015-02", "--wait", code=1))
    assert told[0] == "run run 2 of w-retry began"
    assert watched.json("retry", "w-retry", "--wait", code=1)["run"] == 3


def test_ctrl_c_ends_the_watching_and_says_how_to_come_back(still: Project) -> None:
    command = [sys.executable, "-m", "pileus", "backfill", "watched", "--name", "w-left", "--wait"]
    with subprocess.Popen(
        command, cwd=still.path, env=still.environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        still.wait_for(lambda: still.edges.index.backfill("w-left"))
        assert process.stderr is not None
        first = process.stderr.readline()  # it watches
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)
    assert "run 1 of w-left began" in first
    assert process.returncode == 130
    assert "w-left goes on: `pileus status w-left --watch` shows it again" in rest
    assert "Traceback" not in rest
    backfill = still.edges.index.backfill("w-left")
    assert backfill is not None
    assert backfill.state == "running"
    go_on(still)
    still.wait_until_over("w-left")


def test_logs_follow_a_partition_until_it_ends(still: Project) -> None:
    still.pileus("backfill", "watched", "--to", "2015-01", "--select", "all", "--name", "w-follow")

    def queued() -> bool:
        return any(one.run == "w-follow/1" for one in still.edges.index.briefs("watched", "001", "2015-01", "2015-01"))

    still.wait_for(queued)
    with ThreadPoolExecutor(1) as pool:
        followed = pool.submit(still.pileus, "logs", "w-follow", "2015-01", "--follow")
        time.sleep(1)
        assert not followed.done(), "nobody has worked yet"
        go_on(still)
        assert "succeeded" in followed.result(60)


WORDS = ["status w-lines", "status", "logs w-lines 2015-01", "status w-lines --watch", "backfills"]


@pytest.mark.parametrize("words", WORDS)
def test_through_the_api_the_same_is_shown(watched: Project, tmp_path: Path, words: str) -> None:
    here = watched.pileus(*words.split(), code=None)
    with serving(stack_services(watched), tmp_path, check_settings({})) as ask:
        env = {"PILEUS_URL": ask.url, "PILEUS_TOKEN": ask.tokens["operate"]}
        there = watched.pileus(*words.split(), code=None, env=env)
    assert re.sub(r"\d\d:\d\d:\d\d", "", there) == re.sub(r"\d\d:\d\d:\d\d", "", here)


def test_a_backfill_is_started_paused_resumed_and_watched_through_the_api(still: Project, tmp_path: Path) -> None:
    with serving(stack_services(still), tmp_path, check_settings({})) as ask:
        env = {"PILEUS_URL": ask.url, "PILEUS_TOKEN": ask.tokens["operate"]}

        def run(*words: str, code: int = 0) -> str:
            return still.pileus(*words, code=code, env=env)

        run("backfill", "watched", "--to", "2015-01", "--select", "all", "--name", "w-remote")
        assert "w-remote is paused" in run("pause", "w-remote")
        assert "only one that is running can be paused" in run("pause", "w-lines", code=2)
        go_on(still)
        told = run("resume", "w-remote", "--wait")
        assert "w-remote  succeeded: 1 succeeded" in told
        backfill = still.edges.index.backfill("w-remote")
        assert backfill is not None
        assert backfill.started_by == "spec-operate"
        read = {"PILEUS_URL": ask.url, "PILEUS_TOKEN": ask.tokens["read"]}
        assert "this needs operate" in still.pileus("cancel", "w-remote", code=1, env=read)

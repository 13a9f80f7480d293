"""Tasks of Cirrus in a process of their own: what they are called with, and that harm stays with its payload."""

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.cell.confine import tried
from pileus.errors import HandedBack
from pileus.worker.child_process import TaskFailed
from pileus.worker.payload_process import PayloadProcess
from pileus.worker.watched import KEPT
from spec.support.cirrus_tasks import GOOD, HARM, PAYLOAD, failure, run

pytestmark = pytest.mark.timeout(120)


class Tasks:
    """Makes processes of the tasks in GOOD and HARM."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.scratch = folder / "code", folder / "scratch"
        self.folder.mkdir()
        self.scratch.mkdir()
        (self.folder / "good.py").write_text(GOOD)
        (self.folder / "harm.py").write_text(HARM)
        self.made: list[PayloadProcess] = []
        self.printed: list[bytes] = []

    def __call__(self, entry: str, **how: Any) -> PayloadProcess:
        how = {"seconds": 60, "tell": self.printed.append} | how
        self.made.append(PayloadProcess("task", entry, self.folder, self.scratch, **how))
        return self.made[-1]

    def left(self) -> list[str]:
        """What lies in the folders of the processes beside their files for output."""
        return [path.name for path in self.scratch.glob("*/*") if path.name != "output"]


@pytest.fixture
def tasks(tmp_path: Path) -> Iterator[Tasks]:
    made = Tasks(tmp_path)
    yield made
    for process in made.made:
        process.close()
    assert list(made.scratch.iterdir()) == []


def test_classes_of_stac_task_run_as_they_are(tasks: Tasks) -> None:
    assert run(tasks("good:Nothing"), PAYLOAD)["features"][0]["id"] == "a"
    made = run(tasks("good:Derived", upload=False), PAYLOAD)
    (item,) = made["features"]
    assert (item["id"], item["collection"]) == ("a-fast", "derived")
    assert item["properties"]["processing:software"] == {"derived": "0.1.0"}
    assert made["process"] == PAYLOAD["process"]
    assert tasks.printed[-1] == b"made 1\n"
    assert tasks.left() == []


def test_a_payload_by_address_is_fetched_by_the_task(tasks: Tasks, tmp_path: Path) -> None:
    path = tmp_path / "payload.json"
    path.write_text(json.dumps(PAYLOAD))
    assert run(tasks("good:Nothing"), {"url": f"file://{path}"})["id"] == PAYLOAD["id"]


def test_what_stac_task_raises_keeps_its_name(tasks: Tasks) -> None:
    told = failure(tasks("good:Fails"), PAYLOAD)
    assert (told.kind, told.message) == ("InvalidInput", "no items of this kind")
    assert b"Traceback" in tasks.printed[-1]
    assert failure(tasks("good:Derived"), PAYLOAD | {"refused": True}).kind == "FailedValidation"


def test_a_folder_that_is_kept_has_the_files_that_the_answer_names(tasks: Tasks, tmp_path: Path) -> None:
    kept = tmp_path / "local-output"
    made = run(tasks("good:Derived", upload=False, kept=kept), PAYLOAD)
    assert made["features"][0]["assets"]["text"]["href"] == str(kept / "a.txt")
    assert (kept / "a.txt").read_text() == "fast"


def test_functions_and_other_classes_are_called_as_lambdas_are(tasks: Tasks) -> None:
    assert run(tasks("harm:Kept"), {"a": 1}) == {"kept": 1}
    assert run(tasks("harm:named"), {}) == {"same": True}
    answer = run(tasks("harm:good"), {})
    assert (answer["files"], answer["name"]) == ([], "task")


@pytest.mark.parametrize(
    ("entry", "kind", "why"),
    [
        ("harm:exits", "TaskDied", "task: its process ended with status 3"),
        ("harm:silent", "TaskDied", "task: its process ended without an answer"),
        ("harm:scribbles", "TaskDied", "task: its process ended without an answer"),
        ("harm:quits", "TaskDied", "task: the task ended its process with status enough"),
        ("harm:killed", "TaskDied", "task: its process was ended by SIGSEGV"),
        ("harm:hungry", "MemoryError", "task: needs more memory than its limit of 2,048 MiB"),
        ("harm:odd", "ValueError", "Out of range float values are not JSON compliant"),
        ("harm:absent", "UsageError", "task: harm has no absent"),
        ("absent:Task", "ModuleNotFoundError", "No module named 'absent'"),
    ],
)
def test_what_goes_wrong_is_told_each_time(tasks: Tasks, entry: str, kind: str, why: str) -> None:
    process = tasks(entry)
    for _ in range(2):
        told = failure(process, {})
        assert (told.kind, why in str(told)) == (kind, True), str(told)
    assert tasks.left() == []


BOTH = """
import harm


def do(payload):
    return getattr(harm, payload["do"])(*([payload] if payload["do"] != "good" else [payload, {}]))
"""


@pytest.fixture
def both(tasks: Tasks) -> Tasks:
    (tasks.folder / "both.py").write_text(BOTH)
    return tasks


@pytest.mark.parametrize("harm", ["exits", "quits", "killed", "leaks", "hungry", "odd"])
def test_the_next_payload_of_the_same_process_is_unharmed(both: Tasks, harm: str) -> None:
    """It has a fresh folder, and nothing is left of the other; the process, with its import, is the same."""
    process = both("both:do")
    first = run(process, {"do": "good"})
    try:
        run(process, {"do": harm})
    except TaskFailed:
        assert harm != "leaks"
    second = run(process, {"do": "good"})
    assert (second["left"], second["files"]) == (0, [])
    assert second["folder"] != first["folder"]
    assert second["tmp"] == str(Path(second["folder"]).parent / "tmp")
    assert both.left() == []


@pytest.mark.parametrize("harm", ["sleeps", "stubborn"])
def test_a_task_that_sleeps_past_its_limit_is_ended_and_the_next_payload_is_done(both: Tasks, harm: str) -> None:
    process = both("both:do", seconds=3)
    told = failure(process, {"do": harm})
    assert (told.kind, told.message) == ("TaskTimedOut", "took longer than 3 s")
    assert both.printed == [b"asleep\n"]
    assert run(process, {"do": "good"})["left"] == 0


def test_of_a_gigabyte_of_output_a_mebibyte_is_kept(both: Tasks) -> None:
    run(both("both:do"), {"do": "prints", "mib": 1024})
    (printed,) = both.printed
    assert len(printed) < KEPT + 100
    assert printed.startswith(b"yyy")
    assert printed.endswith(b"the end")
    assert f"{(1 << 30) + 7 - KEPT:,} bytes are left out".encode() in printed


def test_processes_that_a_task_leaves_are_ended_also_outside_its_group(both: Tasks) -> None:
    process = both("both:do")
    for _ in range(2):
        pid = run(process, {"do": "daemon", "pid": "pid.txt"})["pid"]
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_task_is_ended_when_its_worker_is_told_to_stop(both: Tasks) -> None:
    stop = threading.Event()
    threading.Timer(1, stop.set).start()
    with pytest.raises(HandedBack):
        both("both:do").run({"do": "stubborn"}, stop)


def test_a_task_may_do_as_it_likes_within_its_folder(both: Tasks) -> None:
    assert run(both("both:do"), {"do": "moves"}) == {"files": ["a", "b"]}
    assert both.left() == []


@pytest.mark.skipif(bool(tried()), reason="this kernel has no Landlock")
def test_a_task_cannot_write_outside_its_folder(both: Tasks, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("whole")
    process = both("both:do")
    for payload in ({"do": "writes", "path": str(other / "file")}, {"do": "writes", "path": str(other / "new")}):
        assert failure(process, payload).kind == "PermissionError"
    assert failure(process, {"do": "removes", "path": str(other)}).kind == "PermissionError"
    assert failure(process, {"do": "writes", "path": "../x"}).kind == "PermissionError"
    assert [(path.name, path.read_text()) for path in other.iterdir()] == [("file", "whole")]


def test_an_interpreter_of_its_own_needs_nothing_of_ours(tasks: Tasks, tmp_path: Path) -> None:
    """One that finds no package at all but what the standard library has."""
    import subprocess
    import sys

    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True, timeout=60)
    process = tasks("harm:Kept", python=str(tmp_path / "env/bin/python"))
    assert run(process, {"a": 2}) == {"kept": 2}
    told = failure(tasks("good:Nothing", python=str(tmp_path / "env/bin/python")), PAYLOAD)
    assert told.message.startswith("stac-task is not installed where this task runs")


def test_the_import_is_done_once(tasks: Tasks) -> None:
    code = "import os\nPID = os.getpid()\n\n\ndef do(payload):\n    return {'pid': PID}\n"
    (tasks.folder / "slow.py").write_text(code)
    process = tasks("slow:do")
    assert run(process, {}) == run(process, {})


def test_it_ends_with_its_worker(tasks: Tasks) -> None:
    process = tasks("harm:good")
    run(process, {})
    pid = process._process.pid  # type: ignore[union-attr]
    process.close()
    ends = time.monotonic() + 10
    while time.monotonic() < ends and Path(f"/proc/{pid}").exists():
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()

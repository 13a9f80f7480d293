"""Payloads in containers of ECS: what a worker makes of what ECS tells, and when it gives up. Time passes at once."""

import json
import threading
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pileus.documents import parse_value
from pileus.documents.task import TaskDefinition
from pileus.edges.aws import Aws
from pileus.edges.ecs_tasks import AwsEcsTasks, EcsPlace, EndedContainer, TaskState
from pileus.edges.store import FolderStore, S3Store
from pileus.errors import HandedBack, PileusError, StoreError, Unavailable, UsageError
from pileus.wiring import wire_containers
from pileus.worker.child_process import TaskFailed
from pileus.worker.docker_containers import DockerContainers
from pileus.worker.ecs_containers import PATIENCE, EcsContainers
from pileus.worker.payload_files import ABANDONED, EXPIRED, LEASE, NO_ANSWER, REFUSED, RENEW, TICKET, TOO_LONG
from pileus.worker.payload_process import Stores, process_of
from spec.support.quick import Quick
from spec.support.stranger import RUN_HARM, defined

TASK = "arn:aws:ecs:us-east-1:000000000000:task/pileus/1"
ENDED = TaskState("STOPPED", "EssentialContainerExited", "Essential container in task exited")
TRACE = b"Traceback (most recent call last):\n  File x\nstactask.exceptions.InvalidInput: no items\n"


class Signing(FolderStore):
    """Signs addresses, each of them another."""

    signs = 0

    def signed(self, url: str, seconds: int, *, write: bool = False) -> str:
        self.signs += 1
        return f"{url}?{'write' if write else 'read'}={self.signs}&seconds={seconds}"


class Ecs:
    """Tells one state after the other; the last one, for ever. `does`: is done with each look."""

    def __init__(self, *states: TaskState | PileusError, printed: tuple[bytes, ...] = ()) -> None:
        self.states, self.texts = list(states), list(printed)
        self.started, self.stopped = list[dict[str, str]](), list[str]()
        self.tokens, self.refuses = list[str](), list[PileusError]()
        self.does: Callable[[], None] = lambda: None

    def start(self, told: Mapping[str, str], token: str) -> str:
        self.tokens.append(token)
        if self.refuses:
            raise self.refuses.pop(0)
        self.started.append(dict(told))
        return TASK

    def look(self, task: str) -> TaskState:
        assert task == TASK
        self.does()
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, PileusError):
            raise state
        return state

    def stop(self, task: str, why: str) -> None:
        self.stopped.append(why)

    def printed(self, task: str) -> bytes:
        return self.texts.pop(0) if self.texts else b""


class Worker:
    """Does a payload with what ECS tells; the answer is there already."""

    def __init__(self, folder: Path, ecs: Ecs, **fields: Any) -> None:
        self.store, self.pace, self.cancelled = Signing(folder), Quick(), threading.Event()
        definition = parse_value(TaskDefinition, defined(RUN_HARM, **fields), "task.json")
        self.containers = EcsContainers("t", definition, ecs, self.store, "b", memory=128, pace=self.pace)
        self.ecs = ecs

    def run(self) -> bytes:
        return self.containers.run(b'{"a": 1}', self.cancelled)

    @property
    def ticket(self) -> dict[str, str]:
        """That of the last start."""
        url, _, _ = self.ecs.started[-1][TICKET].partition("?")
        return dict(json.loads(self.store.get(url)))

    def answers(self, text: bytes) -> None:
        """Write the answer, as the task that was started last would."""
        self.store.put(self.ticket["output"].partition("?")[0], text)


def ended(theirs: EndedContainer, take: int | None = 0, bring: int | None = 0, **how: str) -> TaskState:
    each = {"bring": EndedContainer(bring), "task": theirs, "take": EndedContainer(take)}
    told = {"code": ENDED.code, "reason": ENDED.reason} | how
    return TaskState("STOPPED", told["code"], told["reason"], each)


GOOD = ended(EndedContainer(0))
STARTING, RUNNING = TaskState("PROVISIONING"), TaskState("RUNNING")


def test_an_answer_is_what_the_task_has_put_at_its_signed_address(tmp_path: Path) -> None:
    made = Worker(tmp_path, Ecs(STARTING, RUNNING, GOOD))
    made.ecs.does = lambda: made.answers(b"{}")
    assert made.run() == b"{}"
    assert made.store.get(made.ticket["input"].partition("?")[0]) == b'{"a": 1}'
    signed = {name: parse_qs(urlsplit(made.ticket[name]).query) for name in ("ticket", "input", "output")}
    assert [("write" in one) for one in signed.values()] == [False, False, True]
    assert made.ecs.stopped == []


def test_what_a_task_is_told_is_the_address_of_its_ticket_alone(tmp_path: Path) -> None:
    made = Worker(tmp_path, Ecs(GOOD))
    made.ecs.does = lambda: made.answers(b"{}")
    made.run()
    (told,) = made.ecs.started
    assert list(told) == [TICKET]
    assert told[TICKET].startswith("s3://b/cirrus/tmp/containers/")


def test_a_ticket_is_written_anew_while_the_task_runs(tmp_path: Path) -> None:
    """Signed addresses last no longer than the credentials of the worker."""
    made = Worker(tmp_path, Ecs(*[RUNNING] * 200, GOOD), timeout=3600)
    found = list[tuple[float, str]]()

    def look() -> None:
        if not found or made.ticket["number"] != found[-1][1]:
            found.append((made.pace.now, made.ticket["number"]))
        made.answers(b"{}")

    made.ecs.does = look
    made.run()
    assert len(found) > 10
    apart = [later - before for (before, _), (later, _) in pairwise(found)]
    assert max(apart) <= 2 * RENEW < LEASE


@pytest.mark.parametrize(
    ("state", "printed", "kind", "why"),
    [
        (ended(EndedContainer(3), NO_ANSWER), (), "TaskDied", "its container ended with status 3"),
        (ended(EndedContainer(1), NO_ANSWER), (b"", TRACE), "InvalidInput", "no items"),
        (
            ended(EndedContainer(137, "OutOfMemoryError: Container killed due to memory usage"), NO_ANSWER), (),
            "MemoryError", "needs more memory than its limit of 128 MiB",
        ),
        (ended(EndedContainer(0), NO_ANSWER), (), "TaskDied", "its container ended without an answer"),
        (ended(EndedContainer(0), TOO_LONG), (), "AnswerTooLong", "the answer has more than 67,108,864 bytes"),
        (
            ended(EndedContainer(137), 143, code="UserInitiated", reason="no more"), (),
            "TaskDied", "its container was stopped: no more",
        ),
    ],
)  # fmt: skip
def test_how_a_container_ends_is_its_payload_s_failure(
    tmp_path: Path, state: TaskState, printed: tuple[bytes, ...], kind: str, why: str
) -> None:
    with pytest.raises(TaskFailed) as told:
        Worker(tmp_path, Ecs(RUNNING, state, printed=printed)).run()
    assert (told.value.kind, told.value.message) == (kind, why)


def test_a_log_that_cannot_be_read_does_not_hide_how_a_container_ended(tmp_path: Path) -> None:
    class Silent(Ecs):
        def printed(self, task: str) -> bytes:
            raise Unavailable("throttled")

    with pytest.raises(TaskFailed, match="its container ended with status 3"):
        Worker(tmp_path, Silent(RUNNING, ended(EndedContainer(3), NO_ANSWER))).run()


@pytest.mark.parametrize("status", [ABANDONED, REFUSED, EXPIRED, 137])
def test_what_our_own_container_does_wrong_is_no_failure_of_the_task(tmp_path: Path, status: int) -> None:
    """ECS has then ended the image's container, with the status of a killed one."""
    with pytest.raises(StoreError, match=f"its answer was not taken .status {status}."):
        Worker(tmp_path, Ecs(RUNNING, ended(EndedContainer(137), status))).run()


def test_a_payload_that_cannot_be_brought_is_no_failure_of_the_task(tmp_path: Path) -> None:
    state = ended(EndedContainer(), None, REFUSED)
    with pytest.raises(StoreError, match=f"its payload was not brought .status {REFUSED}."):
        Worker(tmp_path, Ecs(STARTING, state)).run()


def test_an_address_that_ran_out_before_the_start_is_signed_again(tmp_path: Path) -> None:
    """An instance takes minutes; credentials may have fewer left."""
    made = Worker(tmp_path, Ecs(STARTING, ended(EndedContainer(), None, EXPIRED), STARTING, GOOD))
    made.ecs.does = lambda: made.answers(b"{}")
    assert made.run() == b"{}"
    first, second = (one[TICKET] for one in made.ecs.started)
    assert first != second
    assert len(set(made.ecs.tokens)) == 2


@pytest.mark.parametrize("code", ["SpotInterruption", "TerminationNotice"])
def test_a_payload_whose_machine_was_taken_away_is_handed_back(tmp_path: Path, code: str) -> None:
    with pytest.raises(HandedBack):
        Worker(tmp_path, Ecs(RUNNING, ended(EndedContainer(137), 137, code=code))).run()


@pytest.mark.parametrize("stopped", [True, False])
def test_an_image_that_cannot_be_pulled_is_said_before_its_time_is_over(tmp_path: Path, stopped: bool) -> None:
    """ECS stops a task for an essential container only: ours would wait for the image's for ever."""
    theirs = EndedContainer(None, "CannotPullContainerError: not found")
    state = ended(theirs, None, code="TaskFailedToStart")
    if not stopped:
        state = TaskState("RUNNING", containers={"task": theirs})
    made = Worker(tmp_path, Ecs(STARTING, state))
    with pytest.raises(UsageError, match="cannot be pulled: CannotPullContainerError: not found"):
        made.run()
    assert len(made.ecs.stopped) == (not stopped)


def test_a_container_that_ecs_cannot_start_is_a_refusal(tmp_path: Path) -> None:
    theirs = EndedContainer(None, "CannotStartContainerError: no such program")
    with pytest.raises(StoreError, match="ECS refused: CannotStartContainerError: no such program"):
        Worker(tmp_path, Ecs(STARTING, ended(theirs, NO_ANSWER))).run()


def test_a_task_past_its_limit_is_stopped_and_the_time_before_its_start_does_not_count(tmp_path: Path) -> None:
    made = Worker(tmp_path, Ecs(*[STARTING] * 100, RUNNING), timeout=60)
    with pytest.raises(TaskFailed, match="took longer than 60 s") as told:
        made.run()
    assert told.value.kind == "TaskTimedOut"
    assert made.pace.now > 500 + 60
    assert len(made.ecs.stopped) == 1


def test_a_worker_that_is_told_to_stop_stops_the_task(tmp_path: Path) -> None:
    made = Worker(tmp_path, Ecs(RUNNING))
    made.ecs.does = made.cancelled.set
    with pytest.raises(HandedBack):
        made.run()
    assert len(made.ecs.stopped) == 1


def test_a_task_that_cannot_be_stopped_does_not_hide_why_it_was(tmp_path: Path) -> None:
    class Stubborn(Ecs):
        def stop(self, task: str, why: str) -> None:
            raise StoreError("ECS refused")

    made = Worker(tmp_path, Stubborn(RUNNING))
    made.ecs.does = made.cancelled.set
    with pytest.raises(HandedBack):
        made.run()


def test_a_task_that_never_starts_is_given_up(tmp_path: Path) -> None:
    made = Worker(tmp_path, Ecs(STARTING))
    with pytest.raises(StoreError, match="ECS has not started it within 1800 s: PROVISIONING"):
        made.run()
    assert len(made.ecs.stopped) == 1


def test_where_ecs_has_no_room_it_is_asked_again_and_then_given_up(tmp_path: Path) -> None:
    made = Worker(tmp_path, Ecs(GOOD))
    made.ecs.does = lambda: made.answers(b"{}")
    made.ecs.refuses = [Unavailable("no room")] * 3
    assert made.run() == b"{}"
    assert len(set(made.ecs.tokens)) == 4
    made.ecs.refuses = [Unavailable("no room")] * 1000
    with pytest.raises(Unavailable):
        made.run()
    assert made.pace.now < 2 * PATIENCE


def test_an_outage_of_ecs_does_not_end_a_task_that_runs(tmp_path: Path) -> None:
    made = Worker(tmp_path, Ecs(RUNNING, Unavailable("throttled"), Unavailable("throttled"), GOOD))
    made.ecs.does = lambda: made.answers(b"{}")
    assert made.run() == b"{}"


def test_the_environment_of_a_worker_says_where_its_containers_run() -> None:
    place = EcsPlace("c", "f", "p", "l", ("s",), ("g",))
    assert EcsPlace.from_env({"PILEUS_CONTAINERS": json.dumps(place.to_json())}) == place
    assert EcsPlace.from_env({"PATH": "/bin"}) is None
    assert isinstance(wire_containers({"PILEUS_CONTAINERS": json.dumps(place.to_json())}, Aws("http://x")), AwsEcsTasks)
    assert wire_containers({}, Aws("http://x")) is None


def test_without_a_place_on_ecs_containers_run_on_the_worker_s_own_machine(tmp_path: Path) -> None:
    from pileus.task_folder import TaskFolder

    (tmp_path / "tasks/t").mkdir(parents=True)
    (tmp_path / "tasks/t/task.json").write_text(json.dumps(defined(RUN_HARM)))
    task, store = TaskFolder(tmp_path / "tasks").task("t"), S3Store(None)  # type: ignore[arg-type]
    for ecs, kind in ((None, DockerContainers), (Ecs(GOOD), EcsContainers)):
        made: Any = process_of(task, tmp_path, lambda _: None, Stores(store, "b", ecs))
        assert type(made._containers) is kind
        made.close()

"""A worker of an activity: its tasks, its end, and the code that it unpacks. The embedded AWS has its own specs."""

import hashlib
import io
import json
import os
import stat
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pileus.edges.activities import ActivityTask
from pileus.edges.functions import FunctionCode, LambdaFunctions
from pileus.errors import ArchiveError, Corrupt, HandedBack, StoreError, Unavailable, UsageError
from pileus.lifecycle.partition import Failure
from pileus.worker.activity import ActivityWorker
from pileus.worker.handler_process import handler_of_path
from pileus.worker.lambda_folder import LIMITS, code_folder, unpack

ARN = "arn:aws:lambda:us-east-1:000000000000:function:sync"


class KeptActivities:
    """An activity that gives some tasks, and keeps what is answered."""

    def __init__(self, *inputs: str, waits: bool = True) -> None:
        self._tasks: list[ActivityTask | StoreError] = [ActivityTask(str(n), text) for n, text in enumerate(inputs)]
        self.waits = waits
        self.said: list[Any] = []

    def refuse(self, error: StoreError) -> None:
        self._tasks.insert(0, error)

    def take(self) -> ActivityTask | None:
        if not self._tasks:
            return None
        first = self._tasks.pop(0)
        if isinstance(first, StoreError):
            raise first
        return first

    def beat(self, token: str) -> bool:
        self.said.append(("beat", token))
        return self.waits

    def succeed(self, token: str, output: str) -> bool:
        self.said.append((token, json.loads(output)))
        return self.waits

    def fail(self, token: str, failure: Failure) -> bool:
        self.said.append((token, failure.type, failure.message))
        return self.waits


def echo(event: Any, cancelled: threading.Event) -> str:
    return json.dumps(event)


def until_stopped(event: Any, cancelled: threading.Event) -> str:
    assert cancelled.wait(30)
    raise HandedBack("told to stop")


def worker(activities: KeptActivities, run: Callable[[Any, threading.Event], str] = echo) -> ActivityWorker:
    return ActivityWorker(activities, run, beat_seconds=0.05, grace=0.2)


def test_tasks_are_done_one_after_the_other_until_there_is_none() -> None:
    kept = KeptActivities('{"a": 1}', "[2]")
    assert worker(kept).run(until_idle=True) == 2
    assert kept.said == [("0", {"a": 1}), ("1", [2])]


def test_an_input_that_is_no_json_is_a_failure() -> None:
    kept = KeptActivities('{"a": ')
    worker(kept).run(until_idle=True)
    ((token, kind, why),) = kept.said
    assert (token, kind) == ("0", "UsageError")
    assert why.startswith("the input is not JSON")


@pytest.mark.parametrize(("size", "said"), [(262_142, 1), (262_143, "AnswerTooLong")])
def test_an_answer_has_at_most_256_kib(size: int, said: Any) -> None:
    kept = KeptActivities("{}")
    worker(kept, lambda *_: json.dumps("x" * size)).run(until_idle=True)
    (answer,) = kept.said
    assert (len(answer) == 2) is (said == 1)
    assert said == 1 or answer[1] == said


def test_work_that_nobody_waits_for_is_stopped_and_not_answered() -> None:
    kept = KeptActivities("{}", waits=False)
    worker(kept, until_stopped).run(until_idle=True)
    assert kept.said == [("beat", "0")]


def test_a_worker_that_is_told_to_stop_hands_back_and_takes_no_more() -> None:
    kept = KeptActivities("{}", "{}")
    made = worker(kept, until_stopped)
    timer = threading.Timer(0.3, made.stop)
    timer.start()
    assert made.run() == 1
    timer.join()
    assert [one for one in kept.said if one[0] != "beat"] == [
        ("0", "HandedBack", "the worker was told to stop before the task was done")
    ]


def test_what_passes_is_waited_for_and_what_does_not_ends_the_worker() -> None:
    kept = KeptActivities("{}")
    kept.refuse(Unavailable("slow down"))
    assert worker(kept).run(until_idle=True) == 1
    kept.refuse(StoreError("no such activity", code="ActivityDoesNotExist"))
    with pytest.raises(StoreError, match="no such activity"):
        worker(kept).run(until_idle=True)


def zipped(*members: tuple[str, bytes], mode: int = 0) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members:
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, mode << 16
            archive.writestr(info, body)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (zipped(("../out.py", b"")), "a path that leaves its folder"),
        (zipped(("/etc/out.py", b"")), "an absolute path"),
        (zipped(("link", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777), "a link"),
        (zipped(("a.py", b"1"), ("a.py", b"2")), "cannot be unpacked: File exists"),
        (zipped(("a", b"1"), ("a/b.py", b"2")), "cannot be unpacked: "),
        (zipped(("a" * 300, b"1")), "cannot be unpacked: File name too long"),
        (zipped(("a.py", b"1"))[:-30], "is not a sound zip"),
        (b"no zip", "is neither tar, gzip, zip nor TIFF"),
    ],
    ids=["leaves", "absolute", "link", "twice", "file and folder", "long", "cut", "none"],
)
def test_a_zip_that_is_not_harmless_is_refused_and_nothing_is_kept(body: bytes, why: str, tmp_path: Path) -> None:
    code = FunctionCode(ARN, "sync", "code.handler", hashlib.sha256(body).hexdigest(), "", 128)
    with pytest.raises(ArchiveError, match=why):
        code_folder(tmp_path / "cache", code, lambda _, path: path.write_bytes(body) and None)
    assert list((tmp_path / "cache").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache"]


def test_a_zip_that_unpacks_to_more_than_a_lambda_may_have_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pileus.worker.lambda_folder.LIMITS", type(LIMITS)(members=2, unpacked=1000))
    path = tmp_path / "code.zip"
    for body, why in (
        (zipped(("a", b"0" * 1001)), "unpacks to more than 1,000 bytes"),
        (zipped(("a", b""), ("b", b""), ("c", b"")), "holds more than 2 members"),
    ):
        path.write_bytes(body)
        with pytest.raises(ArchiveError, match=why):
            unpack(path, tmp_path / hashlib.sha256(body).hexdigest(), ARN)


def test_code_is_unpacked_once_and_its_programs_can_run(tmp_path: Path) -> None:
    body = zipped(("bin/tool", b"#!/bin/sh\n"), ("src/code.py", b"x = 1\n"))
    code = FunctionCode(ARN, "sync", "code.handler", hashlib.sha256(body).hexdigest(), "", 128)
    fetched: list[int] = []

    def download(_: FunctionCode, path: Path) -> None:
        fetched.append(path.write_bytes(body))

    folder = code_folder(tmp_path, code, download)
    assert code_folder(tmp_path, code, download) == folder
    assert len(fetched) == 1
    assert os.access(folder / "bin/tool", os.X_OK)
    assert (folder / "src/code.py").read_text() == "x = 1\n"


class Client:
    """Lambda's client, with one function."""

    def __init__(self, **configuration: Any) -> None:
        self._told = {
            "FunctionName": "sync",
            "Runtime": "python3.12",
            "Handler": "code.handler",
            "CodeSha256": "",
        } | configuration

    def get_function(self, *, FunctionName: str) -> Any:  # noqa: N803 - boto3's name
        return {"Configuration": self._told, "Code": {"Location": "file"}}


@pytest.mark.parametrize(
    ("configuration", "why"),
    [
        ({"PackageType": "Image"}, "is an image: expected a function that is a zip"),
        ({"Runtime": "nodejs20.x"}, "runs on nodejs20.x: expected Python"),
    ],
)
def test_a_lambda_that_is_no_python_in_a_zip_is_refused(configuration: dict[str, str], why: str) -> None:
    client: Any = Client(**configuration)
    with pytest.raises(UsageError, match=why):
        LambdaFunctions(client).code(ARN)


def test_a_zip_with_another_hash_is_refused(tmp_path: Path, python_server: Any) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/code.zip").write_bytes(b"zip")
    client: Any = Client()
    address = f"{python_server(tmp_path / 'site').url}/code.zip"
    code = FunctionCode(ARN, "sync", "code.handler", "0" * 64, address, 128)
    with pytest.raises(Corrupt, match="its zip has the SHA-256"):
        LambdaFunctions(client).download(code, tmp_path / "code.zip")


def test_a_local_handler_is_a_file_and_a_function(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("")
    assert handler_of_path(f"{tmp_path}/own.py:handler") == (str(tmp_path), "own", "handler")
    for text in ("own.py", f"{tmp_path}:handler", ":handler"):
        with pytest.raises(UsageError, match="expected PATH:FUNCTION"):
            handler_of_path(text)

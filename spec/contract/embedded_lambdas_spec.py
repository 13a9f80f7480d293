"""The processes of embedded Lambdas, which MiniStack's own worker starts: forked, and each as a Python of its own."""

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ministack.core import lambda_runtime

from pileus.embedded.lambdas import Forking, fork_lambdas

CODE = """
import os, subprocess, sys, time

def handler(event, context):
    if event.get("child"):
        subprocess.run(["true"], check=True)
    if event.get("fail"):
        raise ValueError("no")
    print("said")
    told = {name: os.environ.get(name) for name in ("OF_FUNCTION", "OF_CALLER", "AWS_LAMBDA_FUNCTION_NAME")}
    return {"pid": os.getpid(), "imported": "pileus.wiring" in sys.modules, "here": os.getcwd(), "zone": time.tzname[0],
            "code": __file__, **told}
"""
Make = Callable[..., Any]


ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"


@pytest.fixture(scope="module")
def forking() -> Iterator[Forking]:
    """MiniStack's Lambda, changed so that processes are forked."""
    fork_lambdas(lambda_runtime)
    yield lambda_runtime.subprocess
    lambda_runtime.subprocess = subprocess


@pytest.fixture
def make(forking: Forking) -> Iterator[Make]:
    """What makes a Lambda of MiniStack."""
    del forking
    made = []

    def lambda_of(code: str = CODE, **environ: str) -> Any:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as packed:
            packed.writestr("code.py", code)
        config = {
            "FunctionName": "f",
            "FunctionArn": ARN,
            "Handler": "code.handler",
            "Environment": {"Variables": environ},
        }
        made.append(lambda_runtime.Worker("f", config, file.getvalue()))
        return made[-1]

    yield lambda_of
    lambda_runtime.kill_workers(made)


def result(worker: Any, **event: Any) -> dict[str, Any]:
    answer = worker.invoke(event, "id")
    assert answer["status"] == "ok", answer
    return dict(answer["result"])


def test_a_process_has_the_folder_and_environment_of_its_function(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    result(make())
    monkeypatch.setenv("OF_CALLER", "yes")
    told = result(make(OF_FUNCTION="yes", TZ="Asia/Kolkata"))
    assert (told["OF_FUNCTION"], told["OF_CALLER"], told["AWS_LAMBDA_FUNCTION_NAME"]) == ("yes", "yes", "f")
    assert told["zone"] == "IST"
    assert told["code"] == f"{told['here']}/code.py"


def test_processes_are_forked_from_one_that_has_imported_pileus(make: Make) -> None:
    one, other = result(make()), result(make())
    assert one["imported"]
    assert other["imported"]
    assert one["pid"] != other["pid"]


def test_nothing_of_one_process_is_seen_in_another(make: Make) -> None:
    make(f"import os; os.environ['OF_FUNCTION'] = 'left'\n{CODE}").invoke({}, "id")
    assert result(make())["OF_FUNCTION"] is None


def test_a_process_keeps_its_number_from_one_event_to_the_next(make: Make) -> None:
    worker = make()
    assert result(worker)["pid"] == result(worker)["pid"]


def test_a_process_may_start_others_and_wait_for_them(make: Make) -> None:
    assert result(make(), child=True)["imported"]


def test_an_error_is_told_with_its_traceback(make: Make) -> None:
    answer = make().invoke({"fail": True}, "id")
    assert "ValueError: no" in json.dumps(answer)


def test_code_that_cannot_be_imported_says_why(make: Make) -> None:
    with pytest.raises(RuntimeError, match="No module named 'absent'"):
        make("import absent")._spawn()


def test_what_a_process_prints_is_not_its_answer(make: Make) -> None:
    worker = make()
    assert "said" in worker.invoke({}, "id")["log"]


def test_a_process_that_is_told_to_end_has_ended_once_it_is_waited_for(make: Make) -> None:
    worker = make()
    result(worker)
    process = worker._proc
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.terminate()
    assert process.wait(30) == 0
    process.kill()  # and again: nobody is hit


def test_a_process_that_was_killed_is_replaced(make: Make) -> None:
    worker = make()
    first = result(worker)["pid"]
    os.kill(first, signal.SIGKILL)
    worker._proc.wait(30)
    assert result(worker)["pid"] != first


def test_processes_end_with_the_one_that_asked_for_them(tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text("import sys; sys.stdin.read()")
    asks = f"""
import os, sys
from pileus.embedded.lambdas import Forking
forked = Forking().Popen([sys.executable, "waits.py"], cwd={str(tmp_path)!r}, env=dict(os.environ))
print(forked.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", asks], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 30
    while running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not running(pid)


def running(pid: int) -> bool:
    """Whether a process runs: one that has ended, and that nobody has waited for, has no command line."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except FileNotFoundError:
        return False


def test_a_function_that_tells_python_something_gets_a_python_of_its_own(make: Make) -> None:
    assert not result(make(PYTHONUTF8="1"))["imported"]


def test_a_fork_server_that_died_is_started_again(make: Make, forking: Forking) -> None:
    result(make())
    assert forking._server is not None
    forking._server.kill()
    forking._server.wait()
    assert result(make())["imported"]

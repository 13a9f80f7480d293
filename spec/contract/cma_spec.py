"""The Cumulus Message Adapter: in process and as `pileus cma` it answers as the package's own command line does."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.cumulus.task import run_cumulus_task
from pileus.edges import cma
from pileus.edges.aws import Aws
from pileus.edges.cma import Cma
from pileus.edges.store import FolderStore, S3Store
from pileus.errors import NotFound, UsageError
from spec.servers import Site
from spec.support.cma_messages import BUCKET, CONTEXT, MESSAGES, STORED

ROOT = Path(__file__).resolve().parents[2]
JUDGE = [sys.executable, str(ROOT / "spec/support/cma_judge.py")]
OURS = [sys.executable, "-m", "pileus", "cma"]
SECONDS = 120
STORED_KEY = re.compile(r'"events/[0-9a-f-]{36}"')


class Stream:
    """A process that answers one object after another."""

    def __init__(self, command: list[str], environ: dict[str, str]) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process: Any = subprocess.Popen([*command, "stream"], env=environ, text=True, **pipes)  # type: ignore[call-overload]

    def __call__(self, function: str, given: dict[str, Any]) -> Any:
        self._process.stdin.write(f"{function}\n{json.dumps(given)}\n<EOC>\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert self._process.stdout.readline() == "<EOC>\n"
        return answer

    def end(self) -> int:
        self._process.stdin.write("<EXIT>\n")
        self._process.stdin.close()
        return int(self._process.wait(SECONDS))


@pytest.fixture(scope="module")
def environ(aws: Site) -> dict[str, str]:
    """The environment of a process whose S3 is the specs' own."""
    mine = {"AWS_ENDPOINT_URL": aws.url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    return os.environ | mine | {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def store(aws: Site) -> S3Store:
    """A store that has what messages refer to."""
    client = Aws(aws.url).s3
    client.create_bucket(Bucket=BUCKET)
    made = S3Store(client)
    for key, value in STORED.items():
        made.put(f"s3://{BUCKET}/{key}", json.dumps(value).encode())
    return made


@pytest.fixture(scope="module")
def judge(environ: dict[str, str], store: S3Store) -> Iterator[Stream]:
    made = Stream(JUDGE, environ)
    yield made
    assert made.end() == 0


@pytest.fixture(scope="module")
def ours(environ: dict[str, str], store: S3Store) -> Iterator[Stream]:
    made = Stream(OURS, environ)
    yield made
    assert made.end() == 0


def through(call: Callable[[str, dict[str, Any]], Any], event: dict[str, Any]) -> tuple[Any, Any]:
    """What a task is called with, and the next message: by the three functions of the contract, in their order."""
    message = call("loadAndUpdateRemoteEvent", {"event": event, "context": CONTEXT})
    told = call("loadNestedEvent", {"event": message, "context": CONTEXT})
    outputs = told.pop("messageConfig", None)
    given = {"event": message, "handler_response": told, "message_config": outputs}
    return told, call("createNextEvent", given)


def without_key(store: S3Store, message: Any) -> tuple[str, Any]:
    """A message with a fixed name for what it put into S3, and what lies there."""
    if (found := message.get("replace")) is None:
        return json.dumps(message), None
    body = json.loads(store.get(f"s3://{found['Bucket']}/{found['Key']}"))
    return STORED_KEY.sub('"events/ID"', json.dumps(message)), body


@pytest.mark.parametrize("name", MESSAGES)
def test_pileus_cma_answers_as_the_package_does(name: str, judge: Stream, ours: Stream, store: S3Store) -> None:
    wanted, got = through(judge, MESSAGES[name]), through(ours, MESSAGES[name])
    assert got[0] == wanted[0]
    assert without_key(store, got[1]) == without_key(store, wanted[1])


class Context:
    """The context of a Lambda, which keeps attributes."""

    def __init__(self) -> None:
        vars(self).update(CONTEXT)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_task_in_process_gets_and_answers_what_the_package_says(name: str, judge: Stream, store: S3Store) -> None:
    given: list[Any] = []

    def task(event: Any) -> Any:
        event = {key: value for key, value in event.items() if key != "messageConfig"}
        given.append(event)
        return event

    wanted = through(judge, MESSAGES[name])
    answer = run_cumulus_task(task, MESSAGES[name], Context(), lambda: Cma(store))
    assert given == [wanted[0]]
    assert without_key(store, answer) == without_key(store, wanted[1])


ARRAY_DESTINATION = {"source": "{$.a}", "destination": "{[$.payload.names[*].a]}"}
"""One of the adapter's examples has such a destination, which this version of the package cannot read."""
INPUT_SCHEMA = {"type": "object", "required": ["goodkey"]}


@pytest.mark.parametrize(
    ("function", "given", "why"),
    [
        ("createNextEvent", {"event": {}}, "Lookup error: 'handler_response'"),
        ("loadNothing", {"event": {}}, "Unexpected Error <class 'ValueError'>. Unknown function name loadNothing"),
        (
            "createNextEvent",
            {"event": {}, "handler_response": {"a": 1}, "message_config": {"outputs": [ARRAY_DESTINATION]}},
            "JsonPathParserError",
        ),
        (
            "loadNestedEvent",
            {"event": {"payload": {"badkey": 1}}, "schemas": {"input": "input.json"}},
            "'goodkey' is a required property",
        ),
        (
            "loadAndUpdateRemoteEvent",
            {"event": {"replace": {"Bucket": BUCKET, "Key": "none.json", "TargetPath": "$"}}},
            "NoSuchKey",
        ),
    ],
)
def test_an_error_has_the_package_s_text_and_exit_code(
    function: str, given: dict[str, Any], why: str, environ: dict[str, str], store: S3Store, tmp_path: Path
) -> None:
    (tmp_path / "input.json").write_text(json.dumps(INPUT_SCHEMA))
    said = []
    for command in (JUDGE, OURS):
        done = subprocess.run(
            [*command, function],
            input=json.dumps(given) + "\n",
            env=environ | {"LAMBDA_TASK_ROOT": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        said.append((done.returncode, done.stdout, done.stderr))
    assert said[0] == said[1]
    assert said[0][0] == 1
    assert why in said[0][2]


def test_what_lies_in_s3_comes_from_the_store_that_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no AWS at all: the package's own client would find none."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    store = FolderStore(tmp_path)
    store.put(f"s3://{BUCKET}/whole.json", json.dumps(STORED["whole.json"]).encode())
    event = MESSAGES["remote"] | {"ReplaceConfig": {"MaxSize": 1, "Path": "$.payload"}}
    answer = run_cumulus_task(lambda told: told["input"], event, None, lambda: Cma(store))
    (stored,) = (tmp_path / BUCKET / "events").iterdir()
    assert json.loads(stored.read_text()) == {"anykey": "far"}
    assert answer["replace"]["Key"] == f"events/{stored.name}"


def test_a_part_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=rf"s3://{BUCKET}/whole.json: there is no such object"):
        run_cumulus_task(lambda told: told, MESSAGES["remote"], None, lambda: Cma(FolderStore(tmp_path)))


def test_without_the_package_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "message_adapter", None)
    with pytest.raises(UsageError, match="the Cumulus Message Adapter is not installed: `pip install"):
        Cma(FolderStore(tmp_path))


def test_an_event_without_a_message_needs_no_package() -> None:
    code = (
        "import sys; import lambdas.discover_granules.handler, pileus.tasks.own_task, pileus.cli.worker; "
        "from pileus.worker import cumulus_queues; "
        "heavy = ('message_adapter', 'jsonpath_ng', 'jsonschema'); print([one for one in heavy if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
    assert done.stdout == "[]\n", done.stderr


def test_a_task_has_only_the_schemas_of_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas/input.json").write_text(json.dumps(INPUT_SCHEMA))
    with pytest.raises(Exception, match="'goodkey' is a required property"):
        run_cumulus_task(
            lambda told: told,
            MESSAGES["basic"],
            None,
            lambda: Cma(FolderStore(tmp_path), cma.schemas_in(tmp_path)),
        )

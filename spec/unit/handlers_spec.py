"""Lambda handlers and worker tasks: thin, with an example event that runs with no AWS at all."""

import ast
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data.sample import make, serve
from pileus.errors import UsageError
from pileus.messages import RunDocuments
from pileus.wiring import wire
from spec.servers import free_port
from spec.support.forked import run_forked

ROOT = Path(__file__).resolve().parents[2]
HANDLERS = sorted(path.parent for path in ROOT.glob("lambdas/*/handler.py"))


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of the sample provider."""
    folder, port = tmp_path_factory.mktemp("site"), free_port()
    make.make(folder)
    server = serve.serve(folder, port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield port
    server.shutdown()
    server.server_close()


def run(name: str, event: Path, port: int, folder: Path) -> Any:
    """`pileus run-task` on an example event, with the provider on another port."""
    moved = folder / f"{name}.json"
    moved.write_text(event.read_text().replace("8737", str(port)))
    words = ["run-task", name, "--input", str(moved), "--folder", str(folder / "s3")]
    done = run_forked(words, ROOT, os.environ, seconds=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_generate_collections_lists_two_points_in_time(port: int, tmp_path: Path) -> None:
    answer = run("generate_collections", ROOT / "lambdas/generate_collections/event.json", port, tmp_path)
    assert answer["count"] == 2
    points = json.loads((tmp_path / "s3" / answer["points"]["bucket"] / answer["points"]["key"]).read_text())
    names = ["viirs_sample_201501", "viirs_sample_201502"]
    assert [point["config"]["name"] for point in points] == names
    (address,) = {point["config"]["documents"] for point in points}
    documents = RunDocuments.from_bytes((tmp_path / "s3" / address.removeprefix("s3://")).read_bytes())
    assert [documents.collections_of(point["config"]["period"])[""].name for point in points] == names


def test_discover_granules_finds_one_group_of_six(port: int, tmp_path: Path) -> None:
    answer = run("discover_granules", ROOT / "lambdas/discover_granules/event.json", port, tmp_path)
    assert (answer["count"], answer["found"]) == (1, 1)
    (item,) = answer["items"]
    assert len(item["task"]["input"]["granules"]) == 6
    kept = tmp_path / "s3/internal/backfills/by-hand/run-1/groups/2015-01.json"
    assert json.loads(kept.read_text()) == [item], "and it is in the record of the run"


def test_queue_granules_finds_the_group_of_an_announced_file(port: int, tmp_path: Path) -> None:
    """Outside of a project: the registry is what the folder has."""
    event = json.loads((ROOT / "lambdas/discover_granules/event.json").read_text())["config"]
    template = event["collection"] | {"name": "viirs_sample", "provider_path": "/viirs/{{pointInTime}}/vcmcfg/"}
    template |= {"templated_name": "viirs_sample_{{pointInTime}}"}
    template |= {"options": {"spanUnit": "month", "spanStart": "201501", "spanEnd": "201502"}}
    registry = {"collections": {"viirs_sample___001": template}, "rules": {}}
    registry |= {"providers": {"sample": event["provider"] | {"port": port}}}
    (tmp_path / "s3/internal").mkdir(parents=True)
    (tmp_path / "s3/internal/registry.json").write_text(json.dumps(registry))
    moved = tmp_path / "event.json"
    moved.write_text((ROOT / "lambdas/queue_granules/event.json").read_text().replace("8737", str(port)))
    handler = str(ROOT / "lambdas/queue_granules/handler.py")
    done = run_forked(["run-task", handler, "--input", str(moved), "--folder", "s3"], tmp_path, os.environ, seconds=120)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["count"], answer["found"], answer["backfill"]) == (1, 1, "ingest-example-1")
    assert len(answer["items"][0]["task"]["input"]["granules"]) == 6


@pytest.mark.parametrize(
    ("name", "why"),
    [("sync_granule", "takes no files of a disk"), ("move_granules", "neither where it was staged nor where it goes")],
)
def test_tasks_of_cumulus_read_what_is_populated(name: str, why: str, tmp_path: Path) -> None:
    """Outside of a project: the registry is what the folder has."""
    registry = {"collections": {}, "providers": {"sample": {"id": "sample", "protocol": "file"}}, "rules": {}}
    (tmp_path / "s3/internal").mkdir(parents=True)
    (tmp_path / "s3/internal/registry.json").write_text(json.dumps(registry))
    words = ["run-task", name, "--input", str(ROOT / f"lambdas/{name}/event.json"), "--folder", "s3"]
    done = run_forked(words, tmp_path, os.environ, seconds=120)
    assert done.returncode != 0
    assert why in done.stderr


def test_start_from_message_leaves_a_message_of_no_rule_in_its_queue(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    answer = run("start_from_message", ROOT / "lambdas/start_from_message/event.json", port, tmp_path)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "6b0d3c4e"}]}


def test_report_status_of_a_partition_that_nobody_knows_changes_nothing(port: int, tmp_path: Path) -> None:
    answer = run("report_status", ROOT / "lambdas/report_status/event.json", port, tmp_path)
    assert answer["state"] == "ended before"


def test_advance_graph_of_a_request_that_nobody_knows_is_refused(port: int, tmp_path: Path) -> None:
    words = ["run-task", "advance_graph", "--input", str(ROOT / "lambdas/advance_graph/event.json")]
    done = run_forked([*words, "--folder", str(tmp_path / "s3")], ROOT, os.environ, seconds=120)
    assert (done.returncode, "its run is over" in done.stderr) == (1, True)


def test_process_group_writes_a_manifest(port: int, tmp_path: Path) -> None:
    answer = run("process_group", ROOT / "ecs_tasks/process_group/event.json", port, tmp_path)
    manifest = tmp_path / "s3" / answer["manifest"].removeprefix("s3://")
    assert json.loads(manifest.read_text())["partition"] == "viirs_sample/001/2015-01/20150101"


@pytest.mark.parametrize("folder", HANDLERS, ids=lambda folder: folder.name)
def test_a_handler_is_at_most_fifteen_lines_and_has_an_event_and_a_page(folder: Path) -> None:
    functions = [
        node for node in ast.parse((folder / "handler.py").read_text()).body if isinstance(node, ast.FunctionDef)
    ]
    lines = sum((node.end_lineno or 0) - node.lineno + 1 for node in functions)
    assert lines <= 15
    assert (folder / "event.json").exists()
    assert (folder / "README.md").exists()


@pytest.mark.parametrize("folder", HANDLERS, ids=lambda folder: folder.name)
def test_a_handler_takes_cumulus_messages(folder: Path) -> None:
    calls = [node for node in ast.walk(ast.parse((folder / "handler.py").read_text())) if isinstance(node, ast.Call)]
    assert "run_cumulus_task" in {call.func.id for call in calls if isinstance(call.func, ast.Name)}


@pytest.mark.parametrize("folder", HANDLERS, ids=lambda folder: folder.name)
def test_importing_a_handler_touches_nothing_outside(folder: Path) -> None:
    """No client, no environment: what it needs is looked for at the first event."""
    code = f"import socket; socket.socket = None; import lambdas.{folder.name}.handler"
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PILEUS_"))}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environ, check=True)


def test_a_handler_outside_a_stack_says_so() -> None:
    with pytest.raises(UsageError, match="expected PILEUS_INTERNAL"):
        wire({})


def test_an_unknown_task_is_refused_with_what_there_is(tmp_path: Path) -> None:
    words = ["run-task", "proces_group", "--input", str(tmp_path / "x.json")]
    done = run_forked(words, tmp_path, os.environ, seconds=120)
    assert done.returncode == 2
    assert "unknown task 'proces_group': did you mean process_group?" in done.stderr


HANDLER = "def handler(event, context):\n    return {'doubled': 2 * event['number']}\n"


@pytest.mark.parametrize(
    "name", ["double", "lambdas/double", "lambdas/double/handler.py", "lambdas.double.handler:handler"]
)
def test_a_handler_of_ones_own_is_run_by_name_by_path_and_by_import(tmp_path: Path, name: str) -> None:
    (tmp_path / "lambdas/double").mkdir(parents=True)
    (tmp_path / "lambdas/double/handler.py").write_text(HANDLER)
    (tmp_path / "event.json").write_text('{"number": 21}')
    done = run_forked(["run-task", name, "--input", "event.json"], tmp_path, os.environ, seconds=120)
    assert json.loads(done.stdout) == {"doubled": 42}


def test_a_handler_that_asks_for_its_edges_is_given_those_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "note.py").write_text(
        "def edges():\n    raise AssertionError('no AWS here')\n\n"
        "def handler(event, context):\n    edges().store.put('s3://internal/note.txt', b'hello')\n"
    )
    (tmp_path / "event.json").write_text("null")
    words = ["run-task", "note:handler", "--input", "event.json", "--folder", "here"]
    assert run_forked(words, tmp_path, os.environ, seconds=120).returncode == 0
    assert (tmp_path / "here/internal/note.txt").read_text() == "hello"

"""What holds of every command, walked over all of them: what fails says so in a line, and --json is JSON."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from spec.servers import free_port
from spec.support import tiny
from spec.support.commands import Answer, leaves, run_all
from spec.support.forked import run_forked
from spec.support.nodes import values
from spec.support.stack import ROOT, Project, synthesized_before

LEAVES = dict(leaves())
IN_FRONT = {"sample", "dashboard", "serve", "worker", "cma", "node start"}
"""Commands that run in front of a person until they end: they answer with lines."""
FILES = {"AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_CONFIG_FILE": os.devnull}
NOBODY = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PILEUS_"))}
NOBODY |= FILES | {"AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-east-1"}
"""The environment of somebody who has no AWS account."""
CALLS: dict[str, list[str]] = {
    "sample": [],
    "init": ["made"],
    "populate": [],
    "schemas": ["-o", "schemas"],
    "up": ["--detach"],
    "env": [],
    "plan": ["lights"],
    "backfill": ["lights", "--to", "2015-01"],
    "backfills": [],
    "status": ["walked"],
    "pause": ["walked"],
    "resume": ["walked"],
    "cancel": ["walked"],
    "retry": ["walked", "--only", "failed"],
    "logs": ["walked", "2015-01"],
    "reconcile": ["lights"],
    "granules list": ["lights"],
    "granules show": ["lights", "tiny_201501"],
    "granules reingest": ["lights", "tiny_201501", "--id", "granules-walked"],
    "granules apply-workflow": ["lights", "NotThere", "tiny_201501"],
    "granules move": ["lights", "not_there", "--to", "protected:kept"],
    "granules remove": ["lights", "not_there"],
    "granules outcomes": ["granules-walked"],
    "runs start": ["zonal-statistics", "--input", "inputs.json", "--id", "walked"],
    "runs list": [],
    "runs show": ["request:zonal-statistics/walked"],
    "runs input": ["request:zonal-statistics/walked"],
    "runs output": ["lights/001/2015-01/201501"],
    "runs events": ["request:zonal-statistics/walked"],
    "runs logs": ["request:zonal-statistics/walked"],
    "runs result": ["lights/001/2015-01/201501"],
    "runs stop": ["request:zonal-statistics/ended"],
    "runs rerun": ["request:zonal-statistics/ended"],
    "request": ["request.json", "--node", "node.ini", "-o", "made.nc"],
    "node start": ["node.ini"],
    "node check": ["node.ini"],
    "node list": ["node.ini"],
    "node keys new": ["laptop"],
    "node keys list": [],
    "node keys remove": ["laptop"],
    "feed": ["rerun", "--param", "collections=none", "--param", "workflow=none"],
    "rules list": [],
    "rules enable": ["monthly"],
    "rules disable": ["monthly"],
    "rules next": ["monthly"],
    "rules show": ["monthly"],
    "rules run": ["monthly"],
    "tasks list": [],
    "tasks show": ["process_group"],
    "workflows list": [],
    "workflows show": ["DiscoverAndProcessGranules"],
    "workflows graph": ["DiscoverAndProcessGranules", "-o", "workflow.svg"],
    "dead-letters list": [],
    "dead-letters show": ["MESSAGE"],
    "dead-letters redrive": ["MESSAGE"],
    "outputs ls": ["lights"],
    "outputs show": ["lights"],
    "outputs plot": ["lights", "-o", "plot.png"],
    "outputs export": ["lights"],
    "outputs ddl": ["lights"],
    "outputs site": [],
    "outputs stac": ["lights"],
    "outputs movie": ["lights", "--zone", "square", "-o", "movie.webp"],
    "outputs sheet": ["lights", "--zone", "square", "-o", "sheet.png"],
    "token add": ["anna"],
    "token list": [],
    "token remove": ["anna"],
    "serve": ["--port", "0"],
    "dashboard": ["--port", "0"],
    "doctor": [],
    "images": ["nothing-of-ours"],
    "cost": ["lights"],
    "synth": [],
    "diff": [],
    "deploy": ["--yes"],
    "destroy": ["--yes"],
    "import cumulus": ["."],
    "export cumulus": ["exported"],
    "discover": ["lights", "--period", "2015-01"],
    "download": ["TILE", "-o", "."],
    "stats": ["tile.light.tif", "--zones", "data/zones/tiny.geojson"],
    "run-task": ["generate_collections", "--input", "event.json"],
    "worker": ["--until-idle"],
    "create task": ["made", "Make it."],
    "create feeder": ["made", "Feed it."],
    "create workflow": ["made", "Do it."],
    "show task": ["process_group", "readme"],
    "payload get-id": ["payload.json"],
    "payload validate": ["payload.json"],
    "payload template": ["payload.json"],
    "payload next": ["payload.json"],
    "payload process": ["payload.json"],
    "cma": ["loadNestedEvent"],
    "down": [],
}
"""A call of each command that the project of these specs can answer."""
ALONE = {
    "token add",
    "token list",
    "token remove",
    "tasks list",
    "tasks show",
    "workflows list",
    "workflows show",
    "workflows graph",
    "init",
    "images",
    "schemas",
    "doctor",
    "synth",
    "diff",
    "deploy",
    "destroy",
    "import cumulus",
    "export cumulus",
    "discover",
    "download",
    "stats",
    "run-task",
    "create task",
    "create feeder",
    "create workflow",
    "show task",
    "payload get-id",
    "payload validate",
    "payload template",
    "payload next",
    "request",
    "node start",
    "node check",
    "node list",
    "node keys new",
    "node keys list",
    "node keys remove",
}
"""Commands that read nothing of the stack that is up."""
REFUSED = {"images", "pause", "resume", "cancel", "diff", "deploy", "destroy", "runs stop"}
REFUSED |= {"granules apply-workflow", "payload process"}
"""Calls that end with a message: the backfill, or the run, has ended, there is no AWS account, or no such workflow."""


ZONES = {"type": "FeatureCollection", "features": [tiny.ZONE]}


def call(words: str, *more: str) -> list[str]:
    return [*words.split(), *CALLS[words], *more]


@pytest.fixture(scope="module")
def done(stack: Project) -> Project:
    """Two months with everything that can be written, a rule, and a message that no worker could deal with."""
    process = {"band": "light", "zones": "data/zones/tiny.geojson"}
    written = {"classic_csv": True, "archive": True, "clips": True, "pictures": True}
    meta = {"group": {"by": ["month"]}, "process": process | written}
    tiny.collection(stack, "lights", "201501", "201502", meta=meta, granuleIdExtraction=r"(.*)[.]tgz")
    tiny.publish(stack, "lights", "201501", "201502")
    schedule = {"type": "scheduled", "value": "cron(0 6 1 1 ? 2099)"}
    rule = {"name": "monthly", "workflow": "DiscoverAndProcessGranules", "provider": "folder", "rule": schedule}
    stack.document("rules/monthly.json", rule | {"collection": {"name": "lights", "version": "001"}})
    (stack.path / "data/prices.json").write_text((ROOT / "data/prices.json").read_text())
    (stack.path / "tile.light.tif").write_bytes(tiny.raster())
    stack.document("inputs.json", {"zones": ZONES, "collection": "lights", "periods": ["2015-01"]})
    stack.document("payload.json", {"features": [{"id": "a"}], "process": [{"workflow": "w"}, {"workflow": "x"}]})
    (stack.path / "node.ini").write_text("[own]\ntype = endpoint\nmodule = pileus.stratus.builtin\n")
    values(stack.path / "v0.nc", 1, 2)
    mean = {"name": "pileus:mean", "input": "v0", "axis": "x"}
    stack.document(
        "request.json", {"input": [{"name": "v0", "uri": f"file://{stack.path}/v0.nc"}], "operation": [mean]}
    )
    stack.document("event.json", {"config": {"execution": "arn:e", "name": "by-hand"}, "input": EVENT})
    stack.pileus("populate")
    stack.pileus("backfill", "lights", "--name", "walked", "--wait")
    stack.pileus("runs", "start", "zonal-statistics", "--input", "inputs.json", "--id", "ended", "--wait")
    bury(stack)
    return stack


EVENT = {"rule": "monthly", "collection": {"name": "lights", "version": "001"}, "spanStart": "201501"}


def bury(project: Project) -> None:
    config = {"backfill": "walked", "run": 1, "partition": "lights/001/2015-01/201501"}
    body = json.dumps({"token": "t", "task": {"config": config, "input": {}}})
    project.aws.sqs.send_message(QueueUrl=project.running.stack["PILEUS_BACKFILL_DEAD"], MessageBody=body)


def walk(project: Project, names: list[str], *more: str, env: Mapping[str, str] = NOBODY) -> dict[str, Answer]:
    """The answer to a call of each command, one after another."""
    (message, *_) = [one["id"] for one in project.json("dead-letters", "list")] or ["none"]
    tile = f"file://{project.path}/site/lights/201501/tiny_201501.tgz"
    lines = [[{"MESSAGE": message, "TILE": tile}.get(word, word) for word in call(name, *more)] for name in names]
    return dict(zip(names, run_all(project.path, lines, env), strict=True))


def bad(answers: Mapping[str, Answer]) -> dict[str, str]:
    return {name: f"{one.code}: {one.out[-300:]}{one.err}" for name, one in answers.items() if not one.fails_well()}


def test_every_command_is_walked() -> None:
    assert set(CALLS) == set(LEAVES)


def test_every_command_answers_in_json_and_the_document_is_whole(done: Project) -> None:
    names = [name for name in CALLS if name not in IN_FRONT | {"down", "dead-letters redrive", "rules run"}]
    answers = walk(done, [*names, "rules run", "dead-letters redrive"], "--json")
    for name, answer in answers.items():
        assert (answer.code != 0) == (name in REFUSED), (name, answer)
        assert answer.fails_well(), answer
        if answer.code == 0:
            json.loads(answer.out)


def test_outputs_ls_lists_the_classic_csv_and_the_kept_archives_too(done: Project) -> None:
    listed = {one["url"]: one["size"] for one in done.json("outputs", "ls", "lights")}
    for part in ("stats/", "csv/", "clips/", "pictures/", "stac/", "manifests/", "sezu-stats/", "archives/"):
        assert [url for url in listed if f"/{part}" in url], part
    store = done.edges.store
    for bucket in (done.edges.stack.protected, done.edges.stack.internal):
        kept = {url: size for url, size in store.list(f"s3://{bucket}/") if "/lights" in url or "sezu-stats" in url}
        outputs = {url: size for url, size in kept.items() if not re.search("/(backfills|granules|site)/", url)}
        assert outputs.items() <= listed.items()


TABLE = "stats/collection=lights/version=001/period=2015-01/group=201501/stats.parquet"
CLIP = "clips/collection=lights/version=001/period=2015-01/group=201501/light/square.tif"
MANIFEST = "manifests/lights/001/2015-01/201501/manifest.json"
ITEM = "stac/lights/001/2015-01/201501.json"
READERS = {"table": "outputs show", "record": "status", "item": "outputs stac", "clip": "outputs movie"}
READERS |= {"zones": "outputs sheet", "registry": "plan", "manifest": "reconcile"}
"""A command that reads each object, and so must fail where it is damaged."""
TOGETHER = [("table", "record", "item", "manifest"), ("clip",), ("zones",), ("registry",)]
"""Objects that are damaged at once, so that none hides another."""
BODIES = {"cut": lambda body: body[: len(body) // 2], "of another kind": lambda body: b'[{"a": [1]}]'}
CHANGING = {
    "down",
    "up",
    "populate",
    "backfill",
    "retry",
    "rules run",
    "runs start",
    "runs rerun",
    "granules reingest",
    "granules move",
    "granules remove",
    "dead-letters redrive",
}


def url_of(project: Project, what: str) -> str:
    """Address of one of the objects that are damaged here."""
    edges = project.edges
    if what == "zones":
        return next(url for url, _ in edges.store.list(edges.internal("zones/")))
    if what == "record":
        project.wait_for(lambda: project.json("status", "walked")["state"] != "running")
    run = project.json("status", "walked")["run"]
    internal = {"registry": "registry.json", "record": f"backfills/walked/run-{run}/record.json"}
    protected = {"table": TABLE, "clip": CLIP, "manifest": MANIFEST, "item": ITEM}
    return edges.internal(internal[what]) if what in internal else edges.protected(protected[what])


@pytest.mark.parametrize("how", BODIES)
@pytest.mark.parametrize("what", TOGETHER, ids="-".join)
def test_no_command_prints_a_traceback_where_an_object_is_damaged(
    done: Project, what: tuple[str, ...], how: str
) -> None:
    store = done.edges.store
    whole = {url: store.get(url) for url in (url_of(done, one) for one in what)}
    names = [name for name in CALLS if name not in IN_FRONT | ALONE | CHANGING]
    if what in (("clip",), ("zones",)):  # nothing else reads these
        names = [name for name in names if name.startswith("outputs ")]
    try:
        for url, body in whole.items():
            store.put(url, BODIES[how](body))
        answers = walk(done, names)
    finally:
        for url, body in whole.items():
            store.put(url, body)
    assert not bad(answers)
    assert {one: answers[READERS[one]].code for one in what if answers[READERS[one]].code not in (1, 2)} == {}


def test_populate_writes_a_damaged_registry_anew(done: Project) -> None:
    url = done.edges.internal("registry.json")
    done.edges.store.put(url, b"{")
    assert "`pileus populate` writes it anew" in done.pileus("plan", "lights", code=1)
    done.pileus("populate")
    done.pileus("plan", "lights")


@pytest.fixture
def copied(done: Project, tmp_path: Path) -> Iterator[Project]:
    """The documents alone, in another folder, with no stack; templates that were made before are there."""
    synthesized_before(tmp_path)
    for name in ("collections", "data", "rules", "infra", "lambdas"):
        (tmp_path / name).symlink_to(done.path / name)
    for name in ("event.json", "inputs.json", "payload.json", "tile.light.tif"):
        (tmp_path / name).write_bytes((done.path / name).read_bytes())
    yield Project(tmp_path)
    Project(tmp_path).pileus("down", code=None)


def lines_of(folder: Path, names: list[str], env: Mapping[str, str] = NOBODY) -> dict[str, Answer]:
    return dict(zip(names, run_all(folder, [call(name) for name in names], env), strict=True))


NOT_UP = [name for name in CALLS if name not in ("up", "sample", "worker")]


def test_no_command_prints_a_traceback_where_no_stack_is_up(copied: Project) -> None:
    assert not bad(lines_of(copied.path, NOT_UP))


def test_no_command_prints_a_traceback_in_an_empty_folder(tmp_path: Path) -> None:
    assert not bad(lines_of(tmp_path, [*NOT_UP, "sample", "worker"]))


@pytest.mark.parametrize("made", ["a folder", "cut", "of another kind", "not text"])
def test_no_command_prints_a_traceback_where_documents_are_damaged(copied: Project, made: str) -> None:
    names = ("collections/lights.json", "data/zones/tiny.geojson", "event.json", "tile.light.tif", "settings.json")
    for name in (*names, "rules/monthly.json", "data/providers/folder.json"):
        alone = copied.path / name.split("/")[0]
        if alone.is_symlink():  # a folder of its own, so that the others stay as they are
            alone.unlink()
            alone.mkdir()
        path = copied.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.mkdir() if made == "a folder" else path.write_bytes(
            {"cut": b'{"name": "li', "of another kind": b"[1, 2]", "not text": b"\xff\x00\xfe"}[made]
        )
    assert not bad(lines_of(copied.path, [*NOT_UP, "sample"]))


def test_no_command_prints_a_traceback_where_the_engine_does_not_answer(done: Project, copied: Project) -> None:
    state = json.loads((done.path / ".pileus/state.json").read_text())
    closed = {"endpoint": f"http://127.0.0.1:{free_port()}", "supervisor": 0, "ministack": 0, "workers": []}
    (copied.path / ".pileus/state.json").write_text(json.dumps(state | closed))
    names = [name for name in CALLS if name not in IN_FRONT | ALONE | {"up", "down", "env"}]
    with ThreadPoolExecutor(len(names)) as pool:  # each waits for several tries
        answers = dict(zip(names, pool.map(lambda name: lines_of(copied.path, [name])[name], names), strict=True))
    assert not bad(answers)
    assert [name for name, answer in answers.items() if answer.code == 0] == ["cost"], "it counts without a stack"


def test_a_pipe_that_is_closed_early_is_no_traceback(done: Project) -> None:
    names = [name for name in CALLS if name not in IN_FRONT | ALONE | {"up", "down", "rules run", "backfill", "retry"}]

    def closed(name: str) -> str:
        ended = run_forked(call(name), done.path, os.environ, seconds=120, closed=True)
        well = ended.returncode in (0, 1, 2) and len(ended.stderr.splitlines()) <= 1
        return "" if well else f"{ended.returncode}: {ended.stderr}"

    with ThreadPoolExecutor(3) as pool:
        told = dict(zip(names, pool.map(closed, names), strict=True))
    assert not {name: text for name, text in told.items() if text}


EVENTS = ["null", "[]", "{}", '{"config": 1, "input": 1}', '{"config": {"event": "group_failed"}}', '{"config": {}']
EVENTS += ['{"config": {"backfill": "b", "run": "x", "period": [], "collection": [], "template": 1}, "input": []}']


def test_a_wrong_payload_is_one_line(copied: Project) -> None:
    tasks = ("generate_collections", "discover_granules", "report_status", "process_group", "act_on_granules")
    tasks += ("queue_granules", "sync_granule", "move_granules")
    lines = []
    for number, text in enumerate(EVENTS):
        (copied.path / f"event-{number}.json").write_text(text)
        lines += [["run-task", task, "--input", f"event-{number}.json"] for task in tasks]
    for answer in run_all(copied.path, lines, NOBODY):
        assert answer.fails_well(), answer
        assert answer.code == 2, answer

"""Workflows of the project's own: checked before anything is written, listed, shown and drawn."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pileus.cli.main import app
from pileus.deploy.synth import synth
from pileus.errors import DocumentError
from pileus.project.folder import Project
from pileus.project.workflow_definition import read_definition

ROOT = Path(__file__).resolve().parents[2]
DISCOVER: dict[str, Any] = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke",
    "Parameters": {"FunctionName": "${DiscoverGranulesArn}", "Payload": {"config.$": "$.config", "input": None}},
    "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}],
    "Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "Tell"}],
    "Next": "Any",
}
ANY = {"Type": "Choice", "Choices": [{"Variable": "$.count", "NumericEquals": 0, "Next": "Done"}], "Default": "Each"}
ONE = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "End": True,
       "Parameters": {"QueueUrl.$": "$.queue", "MessageBody": {"token.$": "$$.Task.Token", "task.$": "$.task"}},
       "HeartbeatSeconds": 60, "TimeoutSeconds": 3600}  # fmt: skip
EACH = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": {"StartAt": "One", "States": {"One": ONE}}, "End": True}
TELL = {"Type": "Fail", "Error": "Late", "Cause": "the provider is slow"}
MINE = {
    "Comment": "Mine",
    "StartAt": "Discover",
    "States": {"Discover": DISCOVER, "Any": ANY, "Each": EACH, "Done": {"Type": "Succeed"}, "Tell": TELL},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one workflow, which its collection names."""
    for name in ("collections", "workflows"):
        (tmp_path / name).mkdir()
    collection = json.loads((ROOT / "collections/viirs_sample.json").read_text()) | {"workflow": "Mine"}
    (tmp_path / "collections/viirs_sample.json").write_text(json.dumps(collection))
    write(tmp_path, MINE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, definition: object) -> Path:
    path = folder / "workflows/Mine.asl.json"
    path.write_text(definition if isinstance(definition, str) else json.dumps(definition))
    return path


def pileus(*words: str) -> Result:
    return CliRunner().invoke(app, ["workflows", *words])


def test_the_list_says_whose_each_is_and_who_names_it(folder: Path) -> None:
    rows = {row["workflow"]: row for row in json.loads(pileus("list", "--json").stdout)}
    product = {"DiscoverAndProcessGranules", "GenerateCollectionsTriggerWorkflows", "RunProcess"}
    product |= {"BulkGranules", "IngestGranules", "DiscoverAndProcessPayloads", "RunGraph"}
    assert set(rows) == product | {"Mine"}
    assert rows["Mine"] == {
        "workflow": "Mine", "of": "project", "states": 6, "named by": ["viirs_sample"], "what it does": "Mine",
    }  # fmt: skip
    assert rows["DiscoverAndProcessGranules"]["of"] == "Pileus"


def test_the_states_are_shown_in_the_order_in_which_they_are_reached(folder: Path) -> None:
    shown = [line.split() for line in pileus("show", "Mine").stdout.splitlines()[2:]]
    assert [words[0] for words in shown] == ["Discover", "Any", "Tell", "Done", "Each", "One"]
    assert " ".join(shown[0]) == "Discover Task DiscoverGranules Any; Tell (on States.Timeout)"
    assert " ".join(shown[1]) == "Any Choice – Done ($.count NumericEquals 0); Each (otherwise)"
    assert " ".join(shown[5]) == "One Task a worker, by its queue end"


def test_as_json_each_state_says_where_it_lies_and_where_it_leads(folder: Path) -> None:
    states = json.loads(pileus("show", "Mine", "--json").stdout)["states"]
    assert [state["name"] for state in states if state["first"]] == ["Discover", "One"]
    assert states[1]["to"] == [["Done", "$.count NumericEquals 0"], ["Each", "otherwise"]]
    assert (states[5]["parent"], states[5]["depth"]) == ("Each", 1)


def test_the_picture_has_a_box_for_each_state_and_an_arrow_for_each_way_on(folder: Path) -> None:
    assert pileus("graph", "Mine", "-o", "mine.svg").stdout == "wrote mine.svg\n"
    svg = "{http://www.w3.org/2000/svg}"
    picture = ET.parse("mine.svg").getroot()
    names = [group.findtext(f"{svg}text") for group in picture.findall(f"{svg}g")]
    assert names == ["Discover", "Any", "Tell", "Done", "Each", "One"]
    assert len(picture.findall(f"{svg}path")) == 4, "Discover to Any and Tell, Any to Done and Each"
    assert len([rect for rect in picture.findall(f"{svg}rect") if rect.get("stroke-dasharray")]) == 1, "around One"


def test_without_a_file_it_is_a_mermaid_diagram(folder: Path) -> None:
    said = pileus("graph", "Mine").stdout
    assert said.startswith("flowchart TD\n")
    assert '  s0 -->|"on States.Timeout"| s2\n' in said


def test_an_unknown_workflow_is_answered_with_the_nearest(folder: Path) -> None:
    for words in (["show", "Mina"], ["graph", "Mina"]):
        assert str(pileus(*words).exception) == "unknown workflow 'Mina': did you mean Mine?"


@pytest.mark.parametrize("name", ["mine.png", "mine"])
def test_another_kind_of_picture_is_refused(folder: Path, name: str) -> None:
    assert "expected a name that ends with .svg or .mmd" in str(pileus("graph", "Mine", "-o", name).exception)


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    value = json.loads(json.dumps(MINE))
    change(value)
    return dict(value)


WRONG: dict[str, tuple[object, str]] = {
    "no JSON": ("{", "not JSON"),
    "a list": ("[]", "expected an object with StartAt and States"),
    "nothing": ({}, 'does not have required field "States"'),
    "a next state that is not there": (changed(lambda m: m["States"]["Any"].update(Default="Nowhere")), "Nowhere"),
    "a state that nothing leads to": (changed(lambda m: m["States"].update(Lost={"Type": "Succeed"})), "Lost"),
    "a field that is not there": (changed(lambda m: m["States"]["Done"].update(Nest="Each")), "Nest"),
    "a value that the stack has not": (
        changed(lambda m: m["States"]["Discover"]["Parameters"].update(FunctionName="${NothingArn}")),
        "${NothingArn}: expected one of GenerateCollectionsArn, DiscoverGranulesArn",
    ),
    "a task without rights": (
        changed(lambda m: m["States"]["Discover"].update(Resource="arn:aws:states:::dynamodb:putItem")),
        "Discover: a workflow may not use arn:aws:states:::dynamodb:putItem",
    ),
    "a task without rights in a Map": (
        changed(
            lambda m: m["States"]["Each"]["ItemProcessor"]["States"]["One"].update(
                Resource="arn:aws:states:::ecs:runTask"
            )
        ),
        "One: a workflow may not use arn:aws:states:::ecs:runTask",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_workflow_is_refused_before_anything_is_written(folder: Path, case: str) -> None:
    definition, why = WRONG[case]
    write(folder, definition)
    refused = CliRunner().invoke(app, ["populate", "--check"]).exception
    assert isinstance(refused, DocumentError)
    assert str(refused).startswith("workflows/Mine.asl.json: ")
    assert why in str(refused)


@pytest.mark.parametrize("path", sorted((ROOT / "infra/workflows").glob("*.asl.json")), ids=lambda path: path.name)
def test_the_products_own_are_right(path: Path) -> None:
    assert read_definition("x", path, "x", {}).steps[0].first


def test_a_workflow_of_ones_own_is_refused_by_synthesis_too(folder: Path) -> None:
    write(folder, {})
    with pytest.raises(DocumentError, match=r"workflows/Mine\.asl\.json"):
        synth(Project(folder), folder / "out", {"embedded": True})

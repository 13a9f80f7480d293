"""pileus payload: what is printed, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pileus.cli.main import app
from pileus.errors import DocumentError, UsageError

PAYLOAD: dict[str, Any] = {
    "features": [{"id": "b", "collection": "viirs"}, {"id": "a", "collection": "viirs"}],
    "process": [{"workflow": "mask"}, [{"workflow": "left", "chain_filter": "@.id == 'z'"}, {"workflow": "right"}]],
}
ID = "viirs/workflow-mask/a/b"


def said(*words: str, given: str | None = None) -> tuple[str, str]:
    done = CliRunner().invoke(app, ["payload", *words], input=given)
    if done.exception is not None:
        raise done.exception
    return done.stdout, done.stderr


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "payload.json"
    path.write_text(json.dumps(PAYLOAD))
    return str(path)


def test_the_id_is_one_line_and_its_parts_are_json(file: str) -> None:
    assert said("get-id", file)[0] == f"{ID}\n"
    parts = {"id": ID, "collections": "viirs", "workflow": "mask", "itemids": "a/b"}
    assert json.loads(said("get-id", file, "--json")[0]) == parts


def test_a_payload_may_come_through_standard_input(file: str) -> None:
    assert said("get-id", "-", given=Path(file).read_text())[0] == f"{ID}\n"
    with pytest.raises(DocumentError, match=r"^standard input: process: required, and missing"):
        said("validate", "-", given="{}")


def test_a_valid_payload_is_said_to_be_with_its_older_forms(tmp_path: Path) -> None:
    path = tmp_path / "older.json"
    path.write_text(json.dumps(PAYLOAD | {"process": {"workflow": "mask"}}))
    assert said("validate", str(path))[0].splitlines() == [
        f"valid: {ID}",
        "warning: process: an object is the older form; a list of it is the newer",
    ]
    assert json.loads(said("validate", str(path), "--json")[0])["id"] == ID


def test_a_payload_that_is_not_valid_is_refused_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text('{"process": [{"workflow": "a_b"}]}')
    with pytest.raises(DocumentError, match=r"wrong.json: process\[0\].workflow: 'a_b'") as raised:
        said("validate", str(path))
    assert raised.value.exit_code == 2


def test_the_next_payloads_are_a_list_and_what_starts_nothing_is_said_beside_it(file: str) -> None:
    printed, beside = said("next", file)
    (found,) = json.loads(printed)
    assert found == PAYLOAD | {"process": [{"workflow": "right"}]}
    assert beside == "process[1][0] (left): its chain_filter leaves none of 2 items, so nothing is started\n"


def test_a_template_is_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "template.json"
    path.write_text('{"id": "${ID}", "replace": ${REPLACE?false}, "month": "$MONTH"}')
    filled = json.loads(said("template", str(path), "--var", "ID=a", "-x", "MONTH=b=c")[0])
    assert filled == {"id": "a", "replace": False, "month": "b=c"}
    left = said("template", str(path), "--silence-templating-errors")[0]
    assert json.loads(left) == {"id": "${ID}", "replace": False, "month": "$MONTH"}


@pytest.mark.parametrize(
    ("text", "words", "why"),
    [
        ('{"id": "${ID}"}', (), "line 1: unknown variable 'ID': there is none yet"),
        ('{"id": $ID}', ("--var", "ID=a b"), "not JSON"),
        ("{}", ("--var", "ID"), "--var 'ID': expected NAME=VALUE"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_refused(
    tmp_path: Path, text: str, words: tuple[str, ...], why: str
) -> None:
    path = tmp_path / "template.json"
    path.write_text(text)
    with pytest.raises((DocumentError, UsageError), match=why):
        said("template", str(path), *words)

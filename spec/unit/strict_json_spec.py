"""Documents, settings and messages that are damaged or hostile: one sentence with the file's name, and exit code 2."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pileus.cli.main import app
from pileus.deploy.synth import read_settings
from pileus.documents import Collection, Provider, read
from pileus.edges.dead_letters import DeadLetter
from pileus.edges.secrets import _part
from pileus.errors import DocumentError, UsageError
from pileus.strict_json import parse_json
from pileus.tasks.report_status import explain

DEEP = b"[" * 100_000
WRONG = {
    "deep lists": (DEEP, "has more than 64 levels of lists and objects"),
    "deep objects": (b'{"a":' * 100_000, "has more than 64 levels of lists and objects"),
    "levels that close": (b"[" * 100 + b"]" * 100, "has more than 64 levels of lists and objects"),
    "a long number": (b'{"a": ' + b"9" * 4301 + b"}", "has a number of 4,301 characters, and 40 are the most"),
    "a long fraction": (b'{"a": 0.' + b"9" * 4301 + b"}", "has a number of 4,303 characters, and 40 are the most"),
    "an exponent": (b'{"a": 1e400}', "has the number 1e400, which is too large"),
    "a key twice": (b'{"id": "a", "id": "b"}', "has the key 'id' twice"),
    "NaN": (b'{"a": NaN}', "has NaN, which is no number of JSON"),
    "Infinity": (b'{"a": -Infinity}', "has -Infinity, which is no number of JSON"),
    "half a character": (b'{"a": "\\ud800"}', "has a text with half a character"),
    "half a character in a key": (b'{"\\udfff": 1}', "has a text with half a character"),
    "the character 0": (b'{"a": "\\u0000"}', "has a text with the character 0"),
    "a byte 0": (b'{"a": "\0"}', "not JSON: Invalid control character at at line 1 column 8"),
    "a mark of UTF-8": (b"\xef\xbb\xbf{}", "begins with a byte order mark: save it as UTF-8 without one"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "is not in UTF-8"),
    "Latin-1": (b'{"a": "\xe9"}', "is not in UTF-8"),
    "nothing": (b"", "not JSON: Expecting value at line 1 column 1"),
}


@pytest.mark.parametrize(("body", "words"), WRONG.values(), ids=WRONG.keys())
def test_a_document_that_is_wrong_is_told_with_its_file(body: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "provider.json"
    path.write_bytes(body)
    with pytest.raises(DocumentError) as caught:
        read(Provider, path)
    assert str(caught.value) == f"{path}: {words}"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("body", ["[]", "1", '"a"', "null", "[[{}]]"])
def test_a_document_that_is_no_object_is_told(body: str, tmp_path: Path) -> None:
    path = tmp_path / "collection.json"
    path.write_text(body)
    with pytest.raises(DocumentError) as caught:
        read(Collection, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_document_that_never_ends_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("pileus.documents.base.LONGEST", 1000)
    (tmp_path / "x.json").write_bytes(b" " * 1001)
    with pytest.raises(DocumentError, match="is longer than 1,000 bytes"):
        read(Provider, tmp_path / "x.json")


@pytest.mark.parametrize("body", [body for body, _ in WRONG.values()], ids=WRONG.keys())
def test_settings_that_are_wrong_are_told_with_their_file(body: bytes, tmp_path: Path) -> None:
    path = tmp_path / "pileus.json"
    path.write_bytes(body)
    with pytest.raises(UsageError) as caught:
        read_settings({}, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("body", [DEEP.decode(), "9" * 5000, '"\\ud800"', "[]"])
def test_a_message_that_is_wrong_is_no_task(body: str) -> None:
    assert DeadLetter("id", "ingest", "receipt", body, 0.0).task == {}
    assert explain({"Error": "E", "Cause": body}) is not None
    with pytest.raises(DocumentError, match="the secret is not a JSON object"):
        _part(body, "key", "where")


@pytest.mark.parametrize("body", [DEEP, b"9" * 5000, b"\xff", b"NaN"])
def test_an_event_that_is_wrong_is_told_with_its_file(body: bytes, tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    path.write_bytes(body)
    done = CliRunner().invoke(app, ["run-task", "report_status", "--input", str(path)])
    assert isinstance(done.exception, DocumentError)
    assert str(done.exception).startswith(f"{path}: cannot be read as JSON: ")
    assert "\n" not in str(done.exception)


def test_what_is_right_stays_as_it_is() -> None:
    value = {"a": [1, -2, 0.5, 1e300, True, None, "\xe9\U0001f600\n", {"b": {}}], "n": 10**39}
    assert parse_json(json.dumps(value)) == value
    assert parse_json("[" * 64 + "1" + "]" * 64)


@pytest.mark.timeout(30)
def test_a_key_twice_among_a_million_is_found_in_time_that_grows_with_their_number() -> None:
    keys = ",".join(f'"{number}":0' for number in range(1_000_000))
    with pytest.raises(ValueError, match="has the key '999999' twice"):
        parse_json(f'{{{keys},"999999":0}}')

"""Settings of nodes: three forms that say the same, and one sentence for whatever is wrong."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.documents.yaml_text import parse_yaml
from pileus.errors import DocumentError
from pileus.nodes.settings import Settings, read_settings
from pileus.nodes.types import TYPES, function_of

INI = """
# as for Stratus
[flask]
DEBUG = true
HOST = 127.0.0.1
PORT = 5005

[stratus]
type = rest
files = grids, /data

[xop]
type: endpoint
module: my_operations
object: MyClass

[far]
type = rest_client
host = 127.0.0.1
port = 5001
token_env = FAR_TOKEN
"""
YAML = """
stratus: {type: rest, host: 127.0.0.1, port: 5005, files: [grids, /data]}
xop: {type: endpoint, module: my_operations, object: MyClass}
far: {type: rest_client, host: 127.0.0.1, port: 5001, token_env: FAR_TOKEN}
"""


def _as(tmp_path: Path, name: str, text: str) -> Settings:
    (tmp_path / name).write_text(text)
    return read_settings(tmp_path / name)


def test_the_settings_on_the_pages_are_settings(tmp_path: Path) -> None:
    pages = (Path(__file__).parents[2] / "docs/how-to").glob("node*.md")
    found = [
        text for page in sorted(pages) for text in re.findall(r"^```ini\n(.*?)^```", page.read_text(), re.M | re.S)
    ]
    read = [_as(tmp_path, f"{number}.ini", text) for number, text in enumerate(found)]
    assert {one.type for settings in read for one in (*settings.nodes, settings.this)} >= {"celery", "ogc"}


def test_the_forms_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    value = parse_yaml(YAML, "here")
    found = [
        _as(tmp_path, "node.ini", INI),
        _as(tmp_path, "node.yaml", YAML),
        _as(tmp_path, "node.json", json.dumps(value)),
    ]
    assert [one.this for one in found] == [found[0].this] * 3
    assert [one.nodes for one in found] == [found[0].nodes] * 3
    assert read_settings(value).nodes == found[0].nodes
    assert found[0].this.number("port", 0) == 5005
    assert found[0].this.paths("files") == (tmp_path / "grids", Path("/data"))
    assert [(one.name, one.type) for one in found[0].nodes] == [("xop", "endpoint"), ("far", "rest_client")]


def test_a_node_without_a_section_of_its_own_serves_nobody() -> None:
    found = read_settings({"xop": {"type": "endpoint", "module": "my_operations"}})
    assert (found.this.type, found.host) == ("endpoint", "127.0.0.1")


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({}, r"settings: there is no node beside \[stratus\]: expected at least one section, such as .*"),
        ({"xop": {"module": "m"}}, r"settings: \[xop\] type: required, and missing"),
        ({"xop": {"type": "endpoint"}}, r"settings: \[xop\] module: required, and missing"),
        (
            {"xop": {"type": "endpiont", "module": "m"}},
            r".*\[xop\] type: unknown type of node .*did you mean endpoint.*",
        ),
        (
            {"xop": {"type": "endpoint", "modul": "m"}},
            r".*unknown option 'modul': did you mean module.*module: required.*",
        ),
        ({"far": {"type": "rest", "token": "x"}}, r".*unknown option 'token': did you mean token_env or token_file\?"),
        ({"far": {"type": "rest", "port": "many"}}, r".*\[far\] port: expected a number from 0 to 65,535, not 'many'"),
        ({"far": {"type": "rest", "port": 70000}}, r".*\[far\] port: expected a number from 0 to 65,535, not '70000'"),
        ({"far": "rest"}, r"settings: \[far\]: expected options"),
        ({"a b": {"type": "rest"}}, r"settings: section 'a b': expected a name of up to 64 letters, digits, _ and -"),
        (
            {"stratus": {"type": "queue"}, "x": {"type": "rest"}},
            r".*\[stratus\] type: unknown type of node 'queue'.*there are .*endpoint, openapi, rest.*",
        ),
        (
            {"stratus": {"type": "rest", "files": 3}, "x": {"type": "rest"}},
            r".*\[stratus\] files: expected texts, in a list or with commas between them, not '3'",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(sections: dict[str, object], said: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_settings(sections)
    assert re.fullmatch(said, str(caught.value)), str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("node.ini", "type = rest", "not ini: "),
        ("node.ini", "[a]\ntype = rest\n[a]\ntype = rest", "not ini: "),
        ("node.yaml", "a: [", "not YAML: "),
        ("node.json", '{"a": {}, "a": {}}', "has the key 'a' twice"),
        ("node.json", "[]", "expected sections, each with options"),
        ("node.txt", "", "expected a name that ends with .ini, .cfg, .yaml, .yml, .json"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(DocumentError) as caught:
        _as(tmp_path, name, text)
    assert str(caught.value).startswith(f"{tmp_path / name}: {said}")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="cannot be read: No such file"):
        read_settings(tmp_path / "node.ini")


def test_the_cloud_takes_the_place_of_a_cluster_by_one_word(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = TYPES["queue"]
    section = (
        {"type": "queue", **dict.fromkeys(TYPES[kind.in_place_of].options, "1")} if kind.in_place_of in TYPES else {}
    )
    if section:
        found = read_settings({"xop": section}).nodes[0]
        assert set(found.unused) == set(TYPES[kind.in_place_of].options) - set(kind.options)


def test_an_extra_that_is_absent_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = TYPES["endpoint"]
    monkeypatch.setattr("pileus.nodes.types.find_spec", lambda module: None)
    with pytest.raises(DocumentError) as caught:
        function_of("endpoint", kind, serving=False)
    assert str(caught.value) == (
        "a node of type endpoint needs the extra stratus (xarray, h5netcdf): pip install 'pileus[stratus]'"
    )


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([*TYPES, "type", "stratus"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.text(max_size=6) | st.sampled_from(["type", "stratus", "port", "xop"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_any_value_is_read_or_refused(value: object) -> None:
    sections = value if isinstance(value, dict) else {"xop": value}
    try:
        said, found = "", read_settings(sections).nodes
    except DocumentError as exc:
        said, found = exc.message, ()
    assert found or said
    assert "\n" not in said

"""Import and export of Cumulus's documents: inverses, and all or nothing."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.cumulus.documents import exported, imported
from pileus.documents import Collection, Provider, Rule, parse_value
from pileus.errors import UsageError
from pileus.project.cumulus import export_documents, import_documents
from pileus.project.folder import Project
from spec.support.cumulus_documents import COLLECTIONS, PROVIDERS, RULES, modis, read_documents, write_documents
from spec.support.forked import run_forked


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_documents(tmp_path / "cumulus")
    return tmp_path / "cumulus"


def test_what_is_imported_and_exported_again_is_equal_as_json(folder: Path, tmp_path: Path) -> None:
    moved = import_documents(folder, tmp_path / "project", lenient=False, replace=False)
    assert moved.wrong == []
    assert [change for _, _, change in moved.done] == ["added"] * (len(COLLECTIONS) + len(PROVIDERS) + len(RULES) + 1)
    assert export_documents(tmp_path / "project", tmp_path / "again", replace=False).notes == []
    assert read_documents(tmp_path / "again") == read_documents(folder)


def test_what_is_imported_is_a_project(folder: Path, tmp_path: Path) -> None:
    import_documents(folder, tmp_path / "project", lenient=False, replace=False)
    registry, _ = Project(tmp_path / "project").registry()
    assert set(registry.collections) >= {"MOD09GQ___006", "L2_HR_PIXC/op___Operational/Near-Real-Time"}
    assert {one.rule.type for one in registry.rules.values()} == {"onetime", "scheduled", "sqs", "sns", "kinesis"}
    assert registry.collection("MOD09GQ").files[3].bucket == "protected-2"


def test_the_registry_keeps_every_field_too() -> None:
    for model, values in ((Provider, PROVIDERS), (Rule, RULES)):
        for value in values:
            document = parse_value(model, value, "x")
            kept = document.revealed() if isinstance(document, Provider) else document.model_dump(exclude_defaults=True)
            assert kept.keys() >= value.keys() - {"globalConnectionLimit", "state", "encrypted"}
    for value in COLLECTIONS:
        assert parse_value(Collection, value, "x").to_json().keys() >= value.keys() - {"ignoreFilesConfigForDiscovery"}


def test_a_second_import_changes_nothing(folder: Path, tmp_path: Path) -> None:
    import_documents(folder, tmp_path / "project", lenient=False, replace=False)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "project").rglob("*.json")}
    again = import_documents(folder, tmp_path / "project", lenient=False, replace=False)
    assert {change for _, _, change in again.done} == {"unchanged"}
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_every_violation_is_told_with_file_and_path_and_nothing_is_written(folder: Path, tmp_path: Path) -> None:
    bad = modis("MOD09GA")
    bad["files"][0]["buket"] = bad["files"][0].pop("bucket")
    bad["files"][2]["sampleFileName"] = "x.hdf"
    bad["granuleIdExtracton"] = "x"
    (folder / "collections/bad.json").write_text(json.dumps(bad))
    (folder / "providers/bad.json").write_text('{"id": "x", "protocol": "gopher", "host": "x", "port": "y"}')
    (folder / "providers/half.json").write_text('{"id": ')
    (folder / "rules/bad.json").write_text(json.dumps([RULES[0], {"name": "r", "rule": {"type": "weekly"}}, 7]))
    moved = import_documents(folder, tmp_path / "project", lenient=False, replace=False)
    assert sorted(moved.wrong) == [
        "collections/bad.json: files[0].buket: unknown field; did you mean bucket?",
        "collections/bad.json: files[2]: regex does not match sampleFileName 'x.hdf'",
        "collections/bad.json: granuleIdExtracton: unknown field; did you mean granuleIdExtraction or granuleId?",
        "providers/bad.json: port: Input should be a valid integer, unable to parse string as an integer (got 'y')",
        "providers/bad.json: protocol: unknown protocol 'gopher': expected one of http, https, s3, ftp, sftp, "
        "stac, file",
        "providers/half.json: not JSON: Expecting value at line 1 column 8",
        "rules/bad.json[0]: rule once is in rules/all.json[0] already",
        "rules/bad.json[1]: rule.type: Input should be 'onetime', 'scheduled', 'sqs', 'sns' or 'kinesis' "
        "(got 'weekly')",
        "rules/bad.json[2]: expected an object with name",
    ]
    assert not (tmp_path / "project").exists()


def test_unknown_fields_are_kept_with_lenient_and_come_back_as_they_were(folder: Path, tmp_path: Path) -> None:
    odd = modis("MOD09GA") | {"oldField": {"a": [1, 2.5, None]}}
    odd["files"][0]["older"] = "x"
    (folder / "collections/odd.json").write_text(json.dumps(odd))
    (folder / "providers/odd.json").write_text('{"id": "odd", "protocol": "s3", "host": "x", "region": "us-west-2"}')
    assert len(import_documents(folder, tmp_path / "project", lenient=False, replace=False).wrong) == 3
    assert import_documents(folder, tmp_path / "project", lenient=True, replace=False).wrong == []
    marked = [path.name for path in (tmp_path / "project").rglob("*.json") if '"lenient": true' in path.read_text()]
    assert sorted(marked) == ["odd.json", "odd.json"], "a document without unknown fields stays strict"
    assert Project(tmp_path / "project").registry()[0].collection("MOD09GA").granuleId
    export_documents(tmp_path / "project", tmp_path / "again", replace=False)
    assert read_documents(tmp_path / "again") == read_documents(folder)


def test_a_wrong_value_is_refused_with_lenient_too(folder: Path, tmp_path: Path) -> None:
    (folder / "providers/odd.json").write_text('{"id": "odd", "protocol": "s3", "host": 7, "region": "us-west-2"}')
    moved = import_documents(folder, tmp_path / "project", lenient=True, replace=False)
    assert moved.wrong == ["providers/odd.json: host: Input should be a valid string (got '7')"]


def test_another_document_of_the_same_name_is_written_over_only_where_that_was_asked_for(
    folder: Path, tmp_path: Path
) -> None:
    import_documents(folder, tmp_path / "project", lenient=False, replace=False)
    path = folder / "providers/provider-0.json"
    path.write_text(json.dumps(PROVIDERS[0] | {"globalConnectionLimit": 3}))
    (wrong,) = import_documents(folder, tmp_path / "project", lenient=False, replace=False).wrong
    assert "provider s3_provider is in" in wrong
    assert wrong.endswith("differs: --replace writes over it")
    done = import_documents(folder, tmp_path / "project", lenient=False, replace=True).done
    assert [name for _, name, change in done if change == "replaced"] == ["s3_provider"]
    assert Project(tmp_path / "project").registry()[0].providers["s3_provider"].globalConnectionLimit == 3


def test_a_folder_without_documents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected a folder with collections, providers, rules, workflows"):
        import_documents(tmp_path, tmp_path / "project", lenient=False, replace=False)


def test_export_says_what_cumulus_requires_besides(tmp_path: Path) -> None:
    (tmp_path / "project/collections").mkdir(parents=True)
    (tmp_path / "project/collections/x.json").write_text('{"name": "x", "version": "1", "files": [{"regex": "a"}]}')
    (note,) = export_documents(tmp_path / "project", tmp_path / "out", replace=False).notes
    assert note == (
        "collections/x.json: Cumulus requires granuleId, granuleIdExtraction, sampleFileName, files[0].sampleFileName, "
        "files[0].bucket too"
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


CUMULUS = st.dictionaries(st.sampled_from(["a", "b"]), JSON)
METAS = st.just({}) | st.fixed_dictionaries({"meta": JSON | st.fixed_dictionaries({"cumulus": CUMULUS, "x": JSON})})


@given(st.dictionaries(st.text(min_size=1, max_size=5), JSON), METAS)
def test_the_mark_of_a_document_is_taken_away_again(unknown: dict[str, Any], meta: dict[str, Any]) -> None:
    value = {**unknown, "id": "x", "protocol": "s3", "host": "x", **meta}
    assert exported(imported(Provider, value, lenient=True)) == value


@pytest.mark.parametrize("own", [7, {"lenient": False}, {"added": "meta"}])
def test_what_is_in_the_way_of_the_mark_is_told(own: object) -> None:
    with pytest.raises(ValueError, match=r"meta[.]cumulus: expected an object without lenient and added"):
        imported(Provider, {"id": "x", "unknown": 1, "meta": {"cumulus": own}}, lenient=True)


def test_the_commands_import_and_export(folder: Path, tmp_path: Path) -> None:
    done = run_forked(
        ["import", "cumulus", str(folder), "--into", str(tmp_path / "p")], tmp_path, os.environ, seconds=60
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(COLLECTIONS) + len(PROVIDERS) + len(RULES) + 1} added" in done.stdout
    done = run_forked(["export", "cumulus", "out", "--json"], tmp_path / "p", os.environ, seconds=60)
    assert done.returncode == 0, done.stderr
    assert read_documents(tmp_path / "p/out") == read_documents(folder)
    (folder / "providers/bad.json").write_text('{"id": "x", "protocol": "s3", "host": "x", "prot": 1}')
    done = run_forked(
        ["import", "cumulus", str(folder), "--into", str(tmp_path / "q")], tmp_path, os.environ, seconds=60
    )
    assert done.returncode == 2
    assert "providers/bad.json: prot: unknown field; did you mean port" in done.stderr.replace("\n", " ")
    assert "nothing was written" in done.stderr

"""The user's project apart from the product: what `pileus init` writes, and what a project may hold of its own."""

import json
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pileus.cli.main import app
from pileus.errors import DocumentError, UsageError
from pileus.product import product_folder
from pileus.project.example import EXAMPLES, write_example
from pileus.project.folder import Project
from pileus.project.populate import validate

PROCESS = "DiscoverAndProcessGranules"
END = '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'
TRIGGER, RUN, BULK = "GenerateCollectionsTriggerWorkflows", "RunProcess", "BulkGranules"
INGEST, PAYLOADS = "IngestGranules", "DiscoverAndProcessPayloads"
DAILY = "collections/chirps_daily.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_example(tmp_path)
    return tmp_path


def test_the_example_is_valid_and_needs_nothing_beside_it(folder: Path) -> None:
    registry, zones = validate(Project(folder), date(2026, 1, 1))
    assert list(registry.collections) == ["viirs_sample___001"]
    assert len(zones) == 1
    assert len(list((folder / "sample-site/viirs").rglob("*.tgz"))) == 3 * 6 + 1, "and one that is superseded"


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_field_of_an_examples_documents_has_its_reason_beside_it(name: str, tmp_path: Path) -> None:
    write_example(tmp_path, EXAMPLES[name])
    registry, _ = validate(Project(tmp_path), date(2026, 1, 1))
    assert {one.name for one in registry.collections.values()} == set(EXAMPLES[name].collections)
    page = (tmp_path / "README.md").read_text()
    for kind in (registry.collections, registry.providers, registry.rules):
        for document in kind.values():
            for field in document.model_dump(exclude_unset=True):
                assert f"`{field}" in page, field


def test_an_example_is_the_products_collection_on_the_sample_of_its_archive(tmp_path: Path) -> None:
    write_example(tmp_path, EXAMPLES["chirps"])
    mine, product = (json.loads((root / DAILY).read_text()) for root in (tmp_path, product_folder()))
    assert (mine["provider"], product["provider"]) == ("sample", "chirps")
    assert mine["options"] == {"spanUnit": "day", "spanStart": "20150130", "spanEnd": "20150203"}
    assert mine["meta"]["process"]["zones"] == "data/zones/sample_world.geojson"
    for document in (mine, product):
        del document["provider"], document["options"], document["meta"]["process"]["zones"]
    assert mine == product


def test_init_of_another_example_names_its_collections(tmp_path: Path) -> None:
    line = ["init", str(tmp_path / "rain"), "--example", "chirps"]
    said = CliRunner().invoke(app, line, env={"COLUMNS": "400"}).output
    assert "pileus backfill chirps_monthly --wait" in said
    assert "pileus backfill chirps_daily --wait" in said
    assert len(list((tmp_path / "rain/sample-site").rglob("*.tif.gz"))) == 8


@pytest.mark.parametrize(
    ("name", "told"),
    [("chrips", "did you mean chirps"), ("modis", "there are black_marble, chirps, era5, viirs")],
)
def test_an_unknown_example_is_told_with_those_there_are(tmp_path: Path, name: str, told: str) -> None:
    done = CliRunner().invoke(app, ["init", str(tmp_path / "x"), "--example", name])
    assert isinstance(done.exception, UsageError)
    assert f"unknown example '{name}': {told}" in str(done.exception)
    assert not (tmp_path / "x").exists()


def test_init_says_what_it_wrote_and_what_to_type_next(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["init", str(tmp_path / "lights")], env={"COLUMNS": "400"}).output
    written = [line.removeprefix("wrote ") for line in said.splitlines() if line.startswith("wrote ")]
    assert {path.relative_to(tmp_path / "lights").parts[0] for path in map(Path, written)} == {
        *("README.md", "data", "collections", "rules", "sample-site")
    }
    assert all(Path(name).exists() for name in written)
    assert "pileus backfill viirs_sample --wait" in said


def test_init_overwrites_nothing_and_names_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(UsageError, match=r"in the way: README\.md; nothing was written"):
        write_example(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "mine"


def test_init_where_nothing_can_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = CliRunner().invoke(app, ["init", str(tmp_path / "file/lights")])
    assert isinstance(done.exception, UsageError)
    assert "cannot be written" in str(done.exception)


def test_a_providers_folder_begins_at_the_projects(folder: Path) -> None:
    registry, _ = Project(folder).registry()
    assert registry.providers["sample"].host == str(folder / "sample-site")


@pytest.mark.parametrize("host", ["/archive", "file:///archive", ""])
def test_a_providers_folder_that_is_absolute_stays(tmp_path: Path, host: str) -> None:
    (tmp_path / "data/providers").mkdir(parents=True)
    (tmp_path / "data/providers/x.json").write_text(f'{{"id": "x", "protocol": "file", "host": "{host}"}}')
    registry, _ = Project(tmp_path).registry()
    assert registry.providers["x"].host == host


def test_a_workflow_of_ones_own_stands_beside_the_products(tmp_path: Path) -> None:
    assert set(Project(tmp_path).workflows()) == {PROCESS, TRIGGER, RUN, "RunGraph", BULK, INGEST, PAYLOADS}
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows/Mine.asl.json").write_text(END)
    assert set(Project(tmp_path).workflows()) == {PROCESS, TRIGGER, RUN, "RunGraph", BULK, INGEST, PAYLOADS, "Mine"}
    assert Project(tmp_path).own_workflows() == {"Mine": tmp_path / "workflows/Mine.asl.json"}


@pytest.mark.parametrize(("name", "why"), [(PROCESS, "Pileus has a workflow of this name"), ("a b", "does not match")])
def test_a_workflow_that_cannot_be_is_named(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "workflows").mkdir()
    (tmp_path / f"workflows/{name}.asl.json").write_text("{}")
    with pytest.raises(DocumentError, match=why):
        Project(tmp_path).workflows()


def test_the_product_in_a_clone_is_the_clone() -> None:
    assert product_folder() == Path(__file__).parents[2]


def test_the_sample_in_a_project_without_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "collections").mkdir()
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["sample"])
    assert isinstance(done.exception, UsageError)
    assert "lacks the collection viirs_sample" in str(done.exception)

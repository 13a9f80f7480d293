"""Ids of a template: each point in time is listed for each id, and the files of an id are one group."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.backfills.plan import plan
from pileus.documents import Collection, Provider, parse_value
from pileus.errors import DocumentError
from pileus.expand import expand
from pileus.lifecycle.backfill import Backfill
from pileus.messages import RunDocuments
from pileus.models import Listed, Problem
from pileus.names import FileName
from pileus.periods import Periods, Unit
from pileus.point_groups import list_point
from pileus.wiring import wire_folder

FOLDER = Provider(id="folder", protocol="file")
MONTHS = {"spanUnit": "month", "spanStart": "201501", "spanEnd": "201502"}
SEAS = {"h17v08": {"sea": "no"}, "h18v08": {"sea": "yes"}}


def template(options: dict[str, Any], **changes: Any) -> Collection:
    value = {
        "name": "x",
        "templated_name": "x_{{id}}_{{pointInTime}}",
        "files": [{"regex": r".*\.tif"}],
        "provider_path": "/{{sea}}/{{id}}/{{year}}/",
        "options": options,
    }
    return parse_value(Collection, value | changes, "x.json")


def tiles(**changes: Any) -> Collection:
    return template(MONTHS | {"ids": SEAS}, **changes)


def months(text: str) -> Periods:
    return Periods.parse([text], Unit.month)


def test_each_id_of_a_point_has_a_collection_of_its_own() -> None:
    january, february = expand(tiles(), months("201501/201502"))
    assert {id: one.name for id, one in february.by_id.items()} == {
        "h17v08": "x_h17v08_201502",
        "h18v08": "x_h18v08_201502",
    }
    assert january.by_id["h18v08"].provider_path == "/yes/h18v08/2015/"
    assert january.by_id["h18v08"].options is None


def test_ids_that_share_a_name_are_told() -> None:
    with pytest.raises(DocumentError, match=r"h17v08 and h18v08 both become 'x_201501': expected .*id"):
        expand(tiles(templated_name="x_{{pointInTime}}"), months("201501"))
    with pytest.raises(DocumentError, match=r"201501 and 201502 both become 'x_h17v08': expected .*pointInTime"):
        expand(tiles(templated_name="x_{{id}}"), months("201501/201502"))


def test_points_times_ids_are_at_most_200000() -> None:
    many = template({"spanStart": "20140101", "ids": [f"i{n}" for n in range(1000)]}, provider_path="")
    with pytest.raises(DocumentError, match="has 201 days for each of 1,000 ids: 200,000 are the most"):
        expand(many, Periods.parse(["20150101/20150720"], Unit.day))


def test_a_folder_is_of_its_own_when_no_other_id_or_point_has_it() -> None:
    def own(path: str, span: str = "201501/201503") -> list[bool]:
        return [point.own_folder for point in expand(tiles(provider_path=path), months(span))]

    assert own("{{id}}/{{pointInTime}}") == [True] * 3
    assert own("{{id}}") == own("{{pointInTime}}") == own("flat") == [False] * 3
    assert own("{{id}}/{{year}}", "201412/201501") == [False] * 2


def test_the_documents_of_a_run_make_the_collections_of_all_ids() -> None:
    documents = RunDocuments.from_bytes(RunDocuments(tiles(), FOLDER).to_bytes())
    assert [one.name for one in documents.collections_of("2015-02").values()] == ["x_h17v08_201502", "x_h18v08_201502"]


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """A folder in which the ids lie side by side: both of January, one of February."""
    folder = tmp_path / "flat"
    folder.mkdir()
    for name in ("h17v08_201501.tif", "h18v08_201501.tif", "h17v08_201502.tif", "readme.txt"):
        (folder / name).write_bytes(b"x" * 10)
    return folder


def test_a_plan_has_a_row_for_each_id_and_says_what_waits(flat: Path, tmp_path: Path) -> None:
    side_by_side = tiles(provider_path=str(flat), files=[{"regex": r"{{id}}_{{pointInTime}}\.tif"}])
    whole = Backfill("b", "x", "001", "2015-01", "2015-02", "month")
    found = plan(wire_folder(tmp_path / "s3", {}), side_by_side, FOLDER, whole)
    assert [(row.partition.key, row.action, row.reason) for row in found.rows] == [
        ("x/001/2015-01/h17v08", "run", "new"),
        ("x/001/2015-01/h18v08", "run", "new"),
        ("x/001/2015-02/h17v08", "run", "new"),
        ("x/001/2015-02/h18v08", "wait", "0 of 1 published, missing a file"),
    ]
    assert found.files == (), "the files of one id are no riddle for another"


def test_an_id_that_cannot_be_listed_keeps_no_other_from_its_work(tmp_path: Path) -> None:
    here = tmp_path / "no/h17v08/2015"
    here.mkdir(parents=True)
    (here / "a.tif").write_bytes(b"x")
    apart = tiles(provider_path=f"{tmp_path}/{{{{sea}}}}/{{{{id}}}}/{{{{year}}}}")
    one = Backfill("b", "x", "001", "2015-01", "2015-01", "month")
    found = plan(wire_folder(tmp_path / "s3", {}), apart, FOLDER, one)
    assert [(row.partition.group, row.action) for row in found.rows] == [("h17v08", "run"), ("h18v08", "fail")]
    assert found.rows[1].reason.startswith("cannot be listed: NotFound: ")


class Counted:
    """A provider that counts how often a folder is listed."""

    def __init__(self, *names: str) -> None:
        self.asked: list[str] = []
        self._names = names

    def list(self, path: str) -> Iterator[Listed | Problem]:
        self.asked.append(path)
        return (Listed(FileName(name), f"https://x.org/{name}", 1) for name in self._names)

    def describe(self, file: Listed) -> Listed:
        return file


def test_a_folder_that_ids_share_is_listed_once_and_their_files_are_no_strangers_to_each_other() -> None:
    shared = tiles(provider_path="flat", files=[{"regex": r"{{id}}[.](?P<made>[0-9]+)[.]tif"}],
                   meta={"group": {"newest": "made"}})  # fmt: skip
    (january,) = expand(shared, months("201501"))
    edge = Counted("h17v08.1.tif", "h17v08.2.tif", "h18v08.1.tif")
    found = list_point(edge, january.by_id, own_folder=False, parallel=2)
    assert [(one.key, [granule.file.name for granule in one.granules]) for one in found.groups] == [
        ("h17v08", ["h17v08.2.tif"]),
        ("h18v08", ["h18v08.1.tif"]),
    ]
    assert [(problem.kind, problem.name) for problem in found.problems] == [("superseded", "h17v08.1.tif")]
    assert edge.asked == ["flat"]

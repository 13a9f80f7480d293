"""Which point in time a file of a message is of: by its folder, the regex of each point, or a date in its name."""

from typing import Any

import pytest

from pileus.cumulus.announced import announced
from pileus.cumulus.point_of import point_of
from pileus.documents import Collection, parse_value
from pileus.errors import DocumentError
from pileus.models import Listed
from pileus.names import FileName


def template(regex: str, path: str = "/flat", unit: str = "month", **group: Any) -> Collection:
    value = {
        "name": "x",
        "templated_name": "x_{{pointInTime}}",
        "files": [{"regex": regex}],
        "provider_path": path,
        "options": {"spanUnit": unit, "spanStart": {"month": "201501", "day": "20150101", "year": "2015"}[unit]},
        "meta": {"group": group},
    }
    return parse_value(Collection, value, "x")


def file(name: str, folder: str = "https://x.org/drop") -> Listed:
    return Listed(FileName(name), f"{folder}/{name}", 1)


DEEP = "/{{year}}/{{month}}/{{day}}"
MONTHLY = r"a_(?P<start>\d{8})-(?P<end>\d{8})_(?P<tile>\w)_c(?P<created>\d{12})\.tgz"


@pytest.mark.parametrize(
    ("collection", "found", "iso"),
    [
        (template(r"a_(?P<t>\w)\.tif", "/m/{{pointInTime}}"), file("a_1.tif", "https://x.org/m/201502"), "2015-02"),
        (template(r"a_(?P<t>\w)\.tif", "m/{{pointInTime}}"), file("a_1.tif", "s3://b/deep/m/201502"), "2015-02"),
        (template(r"a_{{pointInTime}}\.tif"), file("a_201503.tif"), "2015-03"),
        (template(r"a\.{{year}}\.{{month}}\.tif"), file("a.2015.03.tif", "https://x.org/201504"), "2015-03"),
        (template(MONTHLY, by=["start"], newest="created"), file("a_20150401-20150430_N_c201506010000.tgz"), "2015-04"),
        (template(r"a\.A(?P<day>\d{7})\.h5", unit="day"), file("a.A2015032.h5"), "2015-02-01"),
        (
            template(r"a_(?P<t>\w)\.tif", "/{{year}}/{{month}}/{{day}}", "day"),
            file("a_1.tif", "ftp://x.org/2015/02/03"),
            "2015-02-03",
        ),
        (template(r"a_(?P<year>\d{4})\.nc", unit="year"), file("a_2016.nc"), "2016"),
    ],
)
def test_it_is_told(collection: Collection, found: Listed, iso: str) -> None:
    point = point_of(collection, found)
    assert point is not None
    assert point.iso == iso


def test_a_name_that_no_regex_matches_is_of_none() -> None:
    assert (
        point_of(template(r"a_(?P<t>\w)\.tif", "/m/{{pointInTime}}"), file("a_1.xml", "https://x.org/m/201502")) is None
    )


def test_two_dates_that_disagree_are_not_chosen_between() -> None:
    with pytest.raises(DocumentError, match=r"may be of 2015-01, 2015-02: cannot tell"):
        point_of(template(r"a_(?P<one>\d{6})_(?P<two>\d{6})\.tif"), file("a_201501_201502.tif"))


def folder(path: str) -> str:
    return f"https://x.org/{path.strip('/')}/"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"name": "a.nc", "path": "m/201501", "size": 3}, "https://x.org/m/201501/a.nc"),
        ({"bucket": "b", "key": "m/a.nc", "fileName": "a.nc", "size": 3}, "s3://b/m/a.nc"),
        ({"bucket": "b", "key": "m/a.nc", "size": 3}, "s3://b/m/a.nc"),
        ({"name": "a.nc", "uri": "https://x.org/q/a.nc", "size": 3}, "https://x.org/q/a.nc"),
    ],
)
def test_the_files_of_granules_are_read_as_cumulus_writes_them(given: dict[str, Any], url: str) -> None:
    (found,) = announced({"granules": [{"granuleId": "a", "files": [given]}]}, folder)
    assert (found.name, found.url, found.size) == ("a.nc", url, 3)


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ({}, "payload: expected a CNM, or granules"),
        ({"granules": []}, "payload: expected a CNM, or granules"),
        ({"granules": [{}]}, r"payload.granules\[0\]: files: expected a list"),
        ({"granules": [{"files": [{"name": "a"}]}]}, r"payload.granules\[0\].files\[0\]: expected name and path"),
        ({"granules": [{"files": [{"name": "../a", "uri": "https://x.org/a"}]}]}, r"files\[0\]: .*holds a slash"),
    ],
)
def test_what_is_wrong_with_granules_is_named_by_its_path(payload: Any, told: str) -> None:
    with pytest.raises(DocumentError, match=told):
        announced(payload, folder)

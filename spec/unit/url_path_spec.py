"""url_path: what templates of Cumulus give, and what is said of one that gives nothing."""

import posixpath
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.cumulus.moments import formatted, moment_of
from pileus.cumulus.url_path import FUNCTIONS, check_template, url_path
from pileus.errors import DocumentError

VALUES = {
    "file": {"fileName": "MOD09GQ.A2017025.hdf", "source": "/data/GPM_L3/06/2021/001/abc.HDF.xml", "size": 3.0},
    "granule": {"granuleId": "MOD09GQ.A2017025-x1", "producerGranuleId": None, "published": True},
    "cmrMetadata": {
        "Granule": {
            "Collection": {"ShortName": "MOD09GQ", "VersionId": "006"},
            "Temporal": {"RangeDateTime": {"BeginningDateTime": "2016-02-03T04:05:06.789Z"}},
            "Platforms": {"Platform": [{"ShortName": "Terra"}, {"ShortName": "Aqua"}]},
        },
        "gmd:has": {"gml:begin": "2016-02-03"},
    },
}
BEGAN = "cmrMetadata.Granule.Temporal.RangeDateTime.BeginningDateTime"


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("plain/folder", "plain/folder"),
        ("", ""),
        (
            "{cmrMetadata.Granule.Collection.ShortName}___{cmrMetadata.Granule.Collection.VersionId}/x",
            "MOD09GQ___006/x",
        ),
        ("{cmrMetadata.Granule.Platforms.Platform[1].ShortName}", "Aqua"),
        ("{cmrMetadata['gmd:has'].gml:begin}", "2016-02-03"),
        (f"{{extractYear({BEGAN})}}/{{extractMonth({BEGAN})}}/{{extractDate({BEGAN})}}", "2016/2/3"),
        (f"{{extractHour({BEGAN})}}", "4"),
        (f"{{dateFormat({BEGAN}, YYYY-MM-DD[T]HH[:]mm[:]ss)}}", "2016-02-03T04:05:06"),
        (f"{{dateFormat({BEGAN}, YYYY/DDDD)}}", "2016/034"),
        ("{dateFormat(cmrMetadata.gmd:has.gml:begin, YYYY/MM/DD)}/", "2016/02/03/"),
        ("{extractYear(2020-05-06)}", "2020"),
        ("{substring(file.fileName, 0, 3)}", "MOD"),
        ("{substring(file.fileName, 8)}", "A2017025.hdf"),
        ("{substring(file.fileName, 3, 0)}", "MOD"),
        ("{substring(file.fileName, -5, 3)}", "MOD"),
        ("{substring(file.fileName, 0, 999)}", "MOD09GQ.A2017025.hdf"),
        ("{extractPath(file.source)}", "/data/GPM_L3/06/2021/001"),
        ("{extractPath(/a/b/c.xml)}", "/a/b"),
        ("{extractPath({substring(file.source, 6)})}", "GPM_L3/06/2021/001"),
        ("{substring({extractPath(file.source)}, 6)}", "GPM_L3/06/2021/001"),
        ("{defaultTo(granule.producerGranuleId, granule.granuleId)}", "MOD09GQ.A2017025-x1"),
        ("{firstDefined(granule.producerGranuleId, none)}", "none"),
        ("{defaultTo(granule.granuleId, none)}", "MOD09GQ.A2017025-x1"),
        ("{file.size}-{granule.published}", "3-true"),
    ],
)
def test_a_template_gives_the_path_that_it_gives_in_cumulus(template: str, path: str) -> None:
    check_template(template)
    assert url_path(template, VALUES) == path


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{file.filename}", "cannot resolve file.filename: unknown part of file 'filename': did you mean fileName"),
        ("{granul.id}", "cannot resolve granul.id: unknown value 'granul': did you mean granule"),
        ("{granule.producerGranuleId}", "granule.producerGranuleId is empty"),
        ("{cmrMetadata.Granule.Platforms.Platform[7].ShortName}", r"'7': there are \[0\], \[1\]"),
        ("{cmrMetadata.Granule}", "is no text: it has Collection, Temporal, Platforms"),
        ("{substring(cmrMetadata.Granul.Collection, 1)}", "part of cmrMetadata 'Granul': did you mean Granule"),
        ("{extractYer(file.fileName)}", "unknown function of url_path 'extractYer': did you mean extractYear"),
        ("{extractYear(file.fileName)}", "'MOD09GQ.A2017025.hdf' is no date: expected one as 2016-12-23T13:45:00Z"),
        (f"{{dateFormat({BEGAN}, LL)}}", "L is not written here"),
        ("{defaultTo(granule.producerGranuleId, granule.other)}", "cannot resolve granule.other"),
    ],
)
def test_what_cannot_be_resolved_names_the_template_the_place_and_what_there_is(template: str, said: str) -> None:
    with pytest.raises(DocumentError, match=said) as caught:
        url_path(template, VALUES)
    assert caught.value.where == f"url_path {template!r}"


def test_a_value_that_is_a_template_of_itself_ends() -> None:
    with pytest.raises(DocumentError, match="more than 50 times"):
        url_path("{a}", {"a": "{a}"})


@pytest.mark.parametrize("template", ["{file.name", "a}b", "{substrin(file.name, 1)}", "{extractPath({nope(a)})}"])
def test_a_template_that_no_values_could_resolve_is_found_before(template: str) -> None:
    with pytest.raises(ValueError, match=r"brace|unknown function"):
        check_template(template)


WORD = st.text(st.characters(exclude_characters="{}(),.[]'\"", exclude_categories=["Cs", "Cc"]), min_size=1)


@given(st.text(st.characters(exclude_characters="{}")))
def test_a_text_without_braces_stands_for_itself(text: str) -> None:
    assert url_path(text, VALUES) == text


@given(WORD, st.lists(WORD, min_size=1, max_size=5))
def test_a_value_is_found_however_deep_it_lies(value: str, place: list[str]) -> None:
    nested: object = value
    for name in reversed(place):
        nested = {name: nested}
    assert isinstance(nested, dict)
    assert url_path("{" + ".".join(place) + "}", nested) == value


@given(WORD, st.integers(-5, 40), st.integers(-5, 40))
def test_a_substring_lies_between_its_two_ends_whichever_comes_first(text: str, first: int, last: int) -> None:
    low, high = sorted(max(end, 0) for end in (first, last))
    cut = FUNCTIONS["substring"](text, [str(first), str(last)])
    assert cut == text[low:high] == FUNCTIONS["substring"](text, [str(last), str(first)])


@given(st.lists(st.text("abc.", min_size=1, max_size=4), min_size=1, max_size=5))
def test_the_folder_of_a_path_is_all_before_its_last_part(parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    assert FUNCTIONS["extractPath"](path, []) == posixpath.dirname(path)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 31)))
def test_a_moment_is_read_from_what_is_written_of_it(moment: datetime) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
    assert moment_of(formatted(moment, "YYYY-MM-DD[T]HH:mm:ss.SSSZ")) == moment
    assert moment_of(int(formatted(moment, "x"))) == moment
    assert formatted(moment, "YYYY-DDDD GGGG-[W]WW-E h A k") == moment.strftime("%Y-%j %G-W%V-%u ") + (
        f"{moment.hour % 12 or 12} {moment:%p} {moment.hour or 24}"
    )


@pytest.mark.parametrize(("day", "written"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (22, "22nd")])
def test_a_day_is_counted_as_in_english(day: int, written: str) -> None:
    assert formatted(datetime(2020, 5, day, tzinfo=UTC), "Do") == written

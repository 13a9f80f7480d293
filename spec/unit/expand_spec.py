"""Expand: one concrete collection per point in time."""

import calendar
import json
import re
from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus import point_collections
from pileus.documents import Collection, parse_value, resolve_points
from pileus.errors import DocumentError, UsageError
from pileus.expand import expand
from pileus.periods import Period, Periods, Unit, span


def template(**changes: object) -> Collection:
    value = {
        "name": "viirs_template",
        "templated_name": "viirs_{{pointInTime}}",
        "files": [{"regex": r".*\.tgz"}],
        "provider_path": "/v10/{{pointInTime}}/vcmcfg/",
        "options": {"spanUnit": "month", "spanStart": "201201", "spanEnd": "201805"},
    }
    return parse_value(Collection, value | changes, "template.json")


def months(first: str, last: str) -> Periods:
    return Periods.parse([f"{first}/{last}"], Unit.month)


def test_the_ancestors_span_has_exactly_77_months() -> None:
    points = expand(template(), months("201201", "201805"))
    assert len(points) == 77
    assert (points[0].collection.name, points[-1].collection.name) == ("viirs_201201", "viirs_201805")


def test_a_placeholder_is_replaced_wherever_it_stands() -> None:
    text = "{{year}}/{{month}}/{{ pointInTime }}"
    (point,) = expand(template(provider_path=text, meta={"note": {"at": [text]}}), months("201502", "201502"))
    assert point.collection.provider_path == "2015/02/201502"
    assert point.collection.meta.model_extra == {"note": {"at": ["2015/02/201502"]}}


def test_a_concrete_collection_is_no_template_any_more() -> None:
    (point,) = expand(template(), months("201502", "201502"))
    assert (point.collection.templated_name, point.collection.options) == (None, None)


def test_two_points_in_time_with_one_name_are_refused() -> None:
    with pytest.raises(DocumentError, match="201501 and 201502 both become 'viirs'"):
        expand(template(templated_name="viirs"), months("201501", "201503"))


# The slow way: every point is filled in the template's JSON, and validated as a document of its own


def slowly(template: Collection, first: Period, last: Period) -> list[tuple[Period, dict[str, Collection], bool]]:
    text = json.dumps(template.to_json() | {"name": template.templated_name or template.name})
    ids = template.options.values_by_id if template.options else {"": {}}

    def concrete(period: Period, id: str) -> Collection:
        value = json.loads(filled(text, period, ids[id]))
        value.pop("templated_name", None)
        value.pop("options", None)
        return parse_value(Collection, value, f"{template.name} at {period.point}{f' of {id}' if id else ''}")

    points = [
        (period, {id: concrete(period, id) for id in ids}, own(template.provider_path, period, [*ids.values()]))
        for period in span(first, last)
    ]
    seen: dict[str, tuple[Period, str]] = {}
    for period, by_id, _ in points:
        for id, collection in by_id.items():
            if twin := seen.get(collection.name):
                alike = (twin[1], id, "id") if twin[0] == period else (twin[0].point, period.point, "pointInTime")
                words = f"{alike[0]} and {alike[1]} both become {collection.name!r}: expected {{{{{alike[2]}}}}} in it"
                raise DocumentError(f"templated_name: {words}", where=template.name)
            seen[collection.name] = period, id
    return points


def filled(text: str, period: Period, values: Mapping[str, str]) -> str:
    day = period.start
    own = {"pointInTime": period.point, "year": period.iso[:4], "month": f"{day:%m}", "day": f"{day:%d}", **values}
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: own[match[1]], text)


def own(folder: str, period: Period, ids: list[Mapping[str, str]]) -> bool:
    if "{{" not in folder:
        return False
    try:
        near = {filled(folder, period.shift(step), values) for step in (-1, 1) for values in ids}
    except UsageError:  # the end of the calendar
        return False
    here = [filled(folder, period, values) for values in ids]
    return len({*here}) == len(here) and near.isdisjoint(here)


NAMED = st.sampled_from(["{{pointInTime}}", "{{ year }}", "{{month}}", "{{day}}", "{{ id }}"])
PLAIN = st.sampled_from(["", "a", "_", "-", "9", "/", "é", '"', "{", "}", "\\", "\n", ".", " "])
TEXT = st.lists(st.one_of(NAMED, PLAIN), max_size=4).map("".join)
ODD = [
    "[1-{{month}}]", "[2-{{day}}]", "[2-{{year}}]", "[^1-{{month}}]", "[{{day}}]x[1-{{month}}]", "(.)\\{{month}}",
    "[1-{{month}}]{{day}}", "[^a-c]{{day}}", "(?:a|{{year}}){2}", "{{day}}{{month}}*", "(?i)[2-{{day}}]", "(?#{{day}})",
    "[5-{{id}}]", "{{id}}{2}",
]  # fmt: skip
"""Some of them are sound for some points, and not for others."""
SAFE = st.lists(st.one_of(NAMED, st.sampled_from(["a", "_", "é", " "])), max_size=4).map("".join)
PATTERN = st.one_of(SAFE, SAFE, st.sampled_from(ODD), st.lists(st.one_of(NAMED, PLAIN), max_size=6).map("".join))
FILES = [
    {"regex": "(?P<a>.*)"},
    {"regex": "(?P<a>.*)_{{pointInTime}}[.]tgz"},
    {"regex": "(?P<a>.*)_{{pointInTime}}[.]tgz", "sampleFileName": "x_{{pointInTime}}.tgz"},
    {"regex": "(?P<a>.*[{}1])", "sampleFileName": "x{{day}}"},
    {"regex": "(?P<a>.*[{}1])", "sampleFileName": "x{{month}}"},
]
CONDITIONS = st.sampled_from(
    [{"band": "b{{day}}"}, [{"band": "a"}, {"band": "b{{day}}", "in": [1]}], [{"band": "{{ id }}", "min": 1}]]
)
"""One may stand without its list."""
KEYS = st.sampled_from(["a", "01", "{{day}}", "{{month}}", "x{{year}}"])
TEMPLATES = st.fixed_dictionaries(
    {
        "name": st.just("v"),
        "templated_name": st.sampled_from(
            ["v_{{pointInTime}}_{{id}}"] * 4 + ["v_{{ id }}{{ year }}{{month}}{{day}}", "x{{id}}", "{{day}}"]
        ),
        "options": st.sampled_from(
            [{"spanStart": "now", "ids": ids} for ids in (["a"], ["a", "b"], {"01": {}, "9": {}}, {"b-": {}})]
        ),
        "files": st.tuples(st.sampled_from(FILES), PATTERN).map(lambda two: [two[0], {"regex": two[1]}]),
    },
    optional={
        "version": st.just("002"),
        "dataType": TEXT,
        "granuleIdExtraction": PATTERN,
        "provider_path": TEXT,
        "provider": SAFE,
        "meta": st.fixed_dictionaries(
            {},
            optional={
                "note": st.recursive(SAFE, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner)),
                "group": st.just({"by": ["a"], "each": "a", "expect": ["{{day}}", "x"]}),
                "bands": st.dictionaries(st.sampled_from(["a", "b{{day}}"]), st.fixed_dictionaries({"unit": SAFE})),
                "process": st.fixed_dictionaries(
                    {"band": st.sampled_from(["a", ["a", "b{{day}}"], "b{{day}}"]), "zones": SAFE},
                    optional={"range": st.just([0, 1]), "valid": CONDITIONS},
                ),
            },
        ),
    },
)


@settings(max_examples=600, deadline=None)
@given(
    value=TEMPLATES,
    start=st.one_of(st.dates(), st.sampled_from([date.min, date(999, 12, 30), date(2000, 1, 1), date(9999, 12, 20)])),
    steps=st.integers(0, 12),
    unit=st.sampled_from(Unit),
)
def test_a_point_is_what_its_own_document_would_be(value: dict[str, Any], start: date, steps: int, unit: Unit) -> None:
    try:
        read = parse_value(Collection, value, "x")
        ends = Period.containing(start, unit), Period.containing(start, unit).shift(steps)
    except (DocumentError, UsageError):
        return
    try:
        wanted = slowly(read, *ends)
    except DocumentError as error:
        with pytest.raises(DocumentError, match=f"^{re.escape(str(error))}$"):
            expand(read, Periods.of(*ends))
        return
    points = expand(read, Periods.of(*ends))
    assert [(point.period, point.by_id, point.own_folder) for point in points] == wanted
    for point, (_, by_id, _) in zip(points, wanted, strict=True):
        for made, collection in zip(point.by_id.values(), by_id.values(), strict=True):
            assert made.to_json() == collection.to_json()
            assert made.model_fields_set == collection.model_fields_set


def test_a_template_is_validated_once_and_not_for_each_of_a_hundred_thousand_points(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(point_collections, "parse_value", lambda *args: asked.append(args) or parse_value(*args))
    days = Periods.parse(["18000101/20731015"], Unit.day)
    regex = r"(?P<start>A{{year}}{{month}})_(?P<tile>[A-Z0-9]+)[.]tgz"
    points = expand(template(files=[{"regex": regex}]), days)
    assert (len(points), points[-1].collection.files[0].regex) == (
        100_000,
        regex.replace("{{year}}{{month}}", "207310"),
    )
    assert len(asked) == 1


def test_a_regex_that_one_point_spoils_is_told_with_that_point() -> None:
    odd = template(files=[{"regex": "[1-{{month}}]"}])
    with pytest.raises(DocumentError, match=r"viirs_template at 201601: files\[0\].regex: not a regular expression"):
        expand(odd, months("201511", "201603"))


def test_an_unknown_placeholder_in_a_key_is_refused() -> None:
    with pytest.raises(DocumentError, match=r"meta: unresolved placeholder \{\{foo\}\}"):
        template(meta={"{{foo}}": 1})


@pytest.mark.parametrize(
    ("unit", "first", "last", "points"),
    [
        (Unit.day, "20160228", "20160301", ["20160228", "20160229", "20160301"]),
        (Unit.day, "20150228", "20150301", ["20150228", "20150301"]),
        (Unit.month, "201511", "201602", ["201511", "201512", "201601", "201602"]),
        (Unit.year, "1999", "2001", ["1999", "2000", "2001"]),
        (Unit.month, "201501", "201501", ["201501"]),
    ],
)
def test_both_ends_are_included(unit: Unit, first: str, last: str, points: list[str]) -> None:
    ends = (Period.parse(text, unit, date(2020, 1, 1)) for text in (first, last))
    assert [period.point for period in span(*ends)] == points


@given(start=st.dates(date(1900, 1, 1), date(2100, 1, 1)), steps=st.integers(0, 400), unit=st.sampled_from(Unit))
def test_a_span_has_no_gap_and_no_repetition(start: date, steps: int, unit: Unit) -> None:
    first = Period.containing(start, unit)
    periods = list(span(first, first.shift(steps)))
    assert len(periods) == steps + 1
    assert all(later == earlier.shift(1) for earlier, later in pairwise(periods))
    assert len({period.point for period in periods}) == len(periods)


@given(day=st.dates(date(1900, 1, 1), date(2100, 1, 1)), unit=st.sampled_from(Unit))
def test_a_point_in_time_reads_back_from_either_spelling(day: date, unit: Unit) -> None:
    period = Period.containing(day, unit)
    assert Period.parse(period.point, unit, day) == Period.parse(period.iso, unit, day) == period


@given(year=st.integers(1900, 2100))
def test_a_year_of_days_knows_leap_years(year: int) -> None:
    days = list(span(Period(date(year, 1, 1), Unit.day), Period(date(year, 12, 31), Unit.day)))
    assert len(days) == (366 if calendar.isleap(year) else 365)


@pytest.mark.parametrize(
    ("text", "unit", "point"),
    [("now", Unit.month, "201603"), ("-1 month", Unit.month, "201602"), ("-3 days", Unit.day, "20160227")],
)
def test_relative_to_today(text: str, unit: Unit, point: str) -> None:
    assert Period.parse(text, unit, date(2016, 3, 1)).point == point


@pytest.mark.parametrize("text", ["2015", "20150101", "201513", "2015-1", "soon", "-1 fortnight", "٢٠١٥٠١", ""])
def test_what_is_no_month_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="is not a month"):
        Period.parse(text, Unit.month, date(2020, 1, 1))


def test_a_span_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(UsageError, match="starts at 201502, after its end 201501"):
        list(span(*(Period.parse(text, Unit.month, date.min) for text in ("201502", "201501"))))


@pytest.mark.parametrize("valid", [{"band": "mask_{{year}}"}, [{"band": "a"}, {"band": "mask_{{year}}", "min": 2}]])
def test_a_part_in_its_short_form_is_filled_for_each_point(valid: Any) -> None:
    process = {"band": "light_{{month}}", "zones": "z", "valid": valid, "range": [0, None]}
    template = parse_value(
        Collection,
        {
            "name": "x",
            "templated_name": "x_{{pointInTime}}",
            "files": [{"regex": ".*"}],
            "options": {"spanUnit": "month", "spanStart": "201412", "spanEnd": "201501"},
            "meta": {"process": process},
        },
        "x.json",
    )
    points = expand(template, resolve_points(template.options, date(2020, 1, 1), "x"))  # type: ignore[arg-type]
    rules = [point.collection.meta.process for point in points]
    assert [(one.band, one.masks[-1]) for one in rules if one] == [("light_12", "mask_2014"), ("light_01", "mask_2015")]

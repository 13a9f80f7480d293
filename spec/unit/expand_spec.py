"""Expand: one concrete collection per point in time."""

import calendar
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.documents import Collection, parse_value
from pileus.errors import DocumentError, UsageError
from pileus.expand import expand
from pileus.periods import Period, Unit, span


def template(**changes: object) -> Collection:
    value = {
        "name": "viirs_template",
        "templated_name": "viirs_{{pointInTime}}",
        "files": [{"regex": r".*\.tgz"}],
        "provider_path": "/v10/{{pointInTime}}/vcmcfg/",
        "options": {"spanUnit": "month", "spanStart": "201201", "spanEnd": "201805"},
    }
    return parse_value(Collection, value | changes, "template.json")


def months(first: str, last: str) -> tuple[Period, Period]:
    return tuple(Period.parse(text, Unit.month, date(2020, 1, 1)) for text in (first, last))  # type: ignore[return-value]


def test_the_ancestors_span_has_exactly_77_months() -> None:
    points = expand(template(), *months("201201", "201805"))
    assert len(points) == 77
    assert (points[0].collection.name, points[-1].collection.name) == ("viirs_201201", "viirs_201805")


def test_a_placeholder_is_replaced_wherever_it_stands() -> None:
    text = "{{year}}/{{month}}/{{ pointInTime }}"
    (point,) = expand(template(provider_path=text, meta={"note": {"at": [text]}}), *months("201502", "201502"))
    assert point.collection.provider_path == "2015/02/201502"
    assert point.collection.meta.model_extra == {"note": {"at": ["2015/02/201502"]}}


def test_a_concrete_collection_is_no_template_any_more() -> None:
    (point,) = expand(template(), *months("201502", "201502"))
    assert (point.collection.templated_name, point.collection.options) == (None, None)


def test_two_points_in_time_with_one_name_are_refused() -> None:
    with pytest.raises(DocumentError, match="201501 and 201502 both become 'viirs'"):
        expand(template(templated_name="viirs"), *months("201501", "201503"))


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
        list(span(*months("201502", "201501")))

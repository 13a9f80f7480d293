"""Periods: days, weeks, dekads, months, quarters, seasons and years, at the edges of the calendar and between them."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.calendars import SEASONS
from pileus.errors import UsageError
from pileus.periods import Period, Periods, Unit, is_absolute, parse_period, span
from pileus.placeholders import VALUES, names_of

UNITS = st.sampled_from(Unit)
DAYS = st.dates(date(1, 1, 1), date(9999, 11, 30))


def parsed(text: str, unit: Unit) -> Period:
    return Period.parse(text, unit, date(2016, 3, 15))


@pytest.mark.parametrize(
    ("unit", "written", "iso", "point", "start", "end"),
    [
        (Unit.day, "20160229", "2016-02-29", "20160229", date(2016, 2, 29), date(2016, 2, 29)),
        (Unit.week, "2015W05", "2015-W05", "2015W05", date(2015, 1, 26), date(2015, 2, 1)),
        (Unit.week, "2015-W01", "2015-W01", "2015W01", date(2014, 12, 29), date(2015, 1, 4)),
        (Unit.week, "2015W53", "2015-W53", "2015W53", date(2015, 12, 28), date(2016, 1, 3)),
        (Unit.dekad, "2015.01.1", "2015-01-D1", "2015011", date(2015, 1, 1), date(2015, 1, 10)),
        (Unit.dekad, "2015012", "2015-01-D2", "2015012", date(2015, 1, 11), date(2015, 1, 20)),
        (Unit.dekad, "2015-01-D3", "2015-01-D3", "2015013", date(2015, 1, 21), date(2015, 1, 31)),
        (Unit.dekad, "2016-02-D3", "2016-02-D3", "2016023", date(2016, 2, 21), date(2016, 2, 29)),
        (Unit.dekad, "2015-02-D3", "2015-02-D3", "2015023", date(2015, 2, 21), date(2015, 2, 28)),
        (Unit.month, "201602", "2016-02", "201602", date(2016, 2, 1), date(2016, 2, 29)),
        (Unit.quarter, "2015Q4", "2015-Q4", "2015Q4", date(2015, 10, 1), date(2015, 12, 31)),
        (Unit.season, "2016DJF", "2016-S1-DJF", "2016DJF", date(2015, 12, 1), date(2016, 2, 29)),
        (Unit.season, "2015-SON", "2015-S4-SON", "2015SON", date(2015, 9, 1), date(2015, 11, 30)),
        (Unit.year, "2016", "2016", "2016", date(2016, 1, 1), date(2016, 12, 31)),
    ],
)
def test_a_period_is_read_written_and_has_its_days(
    unit: Unit, written: str, iso: str, point: str, start: date, end: date
) -> None:
    found = parsed(written, unit)
    assert (found.iso, found.point, found.start, found.end) == (iso, point, start, end)


@given(day=DAYS, unit=UNITS)
def test_every_spelling_reads_back_and_names_one_unit(day: date, unit: Unit) -> None:
    period = Period.containing(day, unit)
    assert period.start <= day <= period.end
    assert parsed(period.point, unit) == parsed(period.iso, unit) == parse_period(period.iso) == period


@given(day=DAYS, unit=UNITS, steps=st.integers(-3000, 3000))
def test_a_shift_back_is_the_inverse_and_neighbours_touch(day: date, unit: Unit, steps: int) -> None:
    period = Period.containing(day, unit)
    try:
        moved = period.shift(steps)
    except UsageError:
        return  # the calendar ends
    assert moved.shift(-steps) == period
    if moved.end != date.max:
        assert moved.shift(1).start == moved.end + timedelta(days=1)


@given(day=st.dates(date(1900, 1, 1), date(2100, 1, 1)), unit=UNITS, steps=st.integers(1, 200))
def test_texts_of_one_unit_are_in_the_order_of_time(day: date, unit: Unit, steps: int) -> None:
    """The index, the tables and Athena compare periods as text."""
    first = Period.containing(day, unit)
    texts = [period.iso for period in span(first, first.shift(steps))]
    assert texts == sorted(texts)
    assert len(set(texts)) == steps + 1
    assert all(one[:4] <= other[:4] for one, other in pairwise(texts)), "the index is by year"


@pytest.mark.parametrize(
    ("unit", "first", "last", "many"),
    [
        (Unit.week, "2015W01", "2015W53", 53),
        (Unit.week, "2016W01", "2016W52", 52),
        (Unit.dekad, "2015011", "2015123", 36),
        (Unit.quarter, "2014Q4", "2015Q2", 3),
        (Unit.season, "2015DJF", "2016DJF", 5),
    ],
)
def test_a_year_has_as_many_as_everybody_knows(unit: Unit, first: str, last: str, many: int) -> None:
    assert len(Periods.parse([f"{first}/{last}"], unit)) == many
    assert len(list(span(parsed(first, unit), parsed(last, unit)))) == many


@pytest.mark.parametrize(
    ("text", "unit", "iso"),
    [
        ("now", Unit.week, "2016-W11"),
        ("now", Unit.dekad, "2016-03-D2"),
        ("now", Unit.quarter, "2016-Q1"),
        ("now", Unit.season, "2016-S2-MAM"),
        ("-2 weeks", Unit.week, "2016-W09"),
        ("-2 dekads", Unit.dekad, "2016-02-D3"),
        ("-1 season", Unit.season, "2016-S1-DJF"),
        ("-1 quarter", Unit.month, "2015-10"),
        ("-2 months", Unit.dekad, "2016-01-D1"),
    ],
)
def test_relative_to_the_15th_of_march_2016(text: str, unit: Unit, iso: str) -> None:
    assert parsed(text, unit).iso == iso
    assert not is_absolute(text)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("2016W53", Unit.week),
        ("2015W00", Unit.week),
        ("2015-05", Unit.week),
        ("2015014", Unit.dekad),
        ("2015131", Unit.dekad),
        ("201501", Unit.dekad),
        ("2015Q5", Unit.quarter),
        ("2015-01", Unit.quarter),
        ("2015XYZ", Unit.season),
        ("2015-S2-DJF", Unit.season),
        ("0001DJF", Unit.season),
        ("٢٠١٥W05", Unit.week),
    ],
)
def test_what_is_none_is_refused_in_one_sentence(text: str, unit: Unit) -> None:
    with pytest.raises(UsageError, match=f"is not a {unit}: ") as caught:
        parsed(text, unit)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["2015-1", "2015W05", "201501", "2015-DJF", "", "2015-01-D4"])
def test_only_the_text_of_a_partition_is_its_period(text: str) -> None:
    with pytest.raises(UsageError, match="is not a period"):
        parse_period(text)


@pytest.mark.parametrize("unit", Unit)
def test_the_calendar_ends_with_one_sentence(unit: Unit) -> None:
    last = Period.containing(date(9999, 11, 30), unit)
    with pytest.raises(UsageError, match=f"[0-9]+ {unit}s from .* leaves the calendar"):
        last.shift(40)
    assert Period.containing(date(9999, 11, 30), Unit.season).end == date(9999, 11, 30)
    assert Period.containing(date(9999, 12, 31), Unit.month).end == date(9999, 12, 31)


# Periods: some of them, as runs of neighbours

SOME = st.sets(st.integers(0, 40)).filter(bool)


def these(numbers: set[int]) -> Periods:
    return Periods.these(Unit.month, (Periods(Unit.month, (range(24180 + n, 24181 + n),)) for n in numbers))


@given(SOME)
def test_runs_are_in_order_and_read_back(numbers: set[int]) -> None:
    found = these(numbers)
    assert [period.number - 24180 for period in found] == sorted(numbers)
    assert len(found) == len(numbers)
    assert all(one.stop < other.start for one, other in pairwise(found.runs))
    assert Periods.parse(found.to_texts(), Unit.month) == found
    assert [n in numbers for n in range(41)] == [Period.numbered(Unit.month, 24180 + n) in found for n in range(41)]


@given(SOME, SOME)
def test_what_is_left_out_is_not_there(numbers: set[int], out: set[int]) -> None:
    left = these(numbers).without(these(out))
    assert {period.number - 24180 for period in left} == numbers - out
    first, last = these(out).first, these(out).last
    within = {n for n in numbers if min(out) <= n <= max(out)}
    assert {period.number - 24180 for period in these(numbers).between(first, last)} == within


# Placeholders


def filled(period: Period) -> dict[str, str]:
    return {name: VALUES[name](period) for name in names_of(period.unit)}


def test_a_file_of_an_archive_can_be_named_by_its_unit() -> None:
    month = filled(parsed("201501", Unit.month))
    assert "SVDNB_npp_{year}{month}{day}-{endYear}{endMonth}{endDay}".format(**month) == "SVDNB_npp_20150101-20150131"
    assert "VNP46A3.A{year}{doy}".format(**filled(parsed("201403", Unit.month))) == "VNP46A3.A2014060"
    assert "MOD13.A{year}{doy}".format(**filled(parsed("20161231", Unit.day))) == "MOD13.A2016366"
    dekad = filled(parsed("2015.01.3", Unit.dekad))
    assert "chirps-v2.0.{year}.{month}.{dekad}".format(**dekad) == "chirps-v2.0.2015.01.3"
    week = filled(parsed("2015W01", Unit.week))
    assert "{year}W{week}_{startYear}{startMonth}{startDay}".format(**week) == "2015W01_20141229"
    season = filled(parsed("2016DJF", Unit.season))
    assert "{season}{year} from {startYear}{startMonth} to {endDay}".format(**season) == "DJF2016 from 201512 to 29"
    assert filled(parsed("2015Q3", Unit.quarter))["quarter"] == "3"


@pytest.mark.parametrize("unit", [Unit.week, Unit.season])
def test_a_unit_that_begins_in_another_year_has_no_month_of_its_year(unit: Unit) -> None:
    assert not {"month", "day", "doy"} & set(names_of(unit))


@given(day=st.dates(date(1900, 1, 1), date(2100, 1, 1)), unit=UNITS)
def test_first_and_last_day_can_be_written_from_placeholders(day: date, unit: Unit) -> None:
    period = Period.containing(day, unit)
    values = filled(period)
    start = [values.get(f"start{name}") or values[name.lower()] for name in ("Year", "Month", "Day")]
    assert "-".join(start) == period.start.isoformat()
    assert "-".join(values[f"end{name}"] for name in ("Year", "Month", "Day")) == period.end.isoformat()
    assert values.get("season", "DJF") in SEASONS

"""Series over time: what is missing is a gap, and darkness is a number."""

import io
import re
from datetime import datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pileus.dashboard.data import values_json
from pileus.errors import UsageError
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import Partition, State
from pileus.outputs import chart, series
from pileus.outputs.reasons import ANOTHER, UNKNOWN, explained, reasons
from pileus.outputs.wide import wide
from spec.support.outputs import Made


def table(**by_period: float | None) -> pa.Table:
    """Rows of zone `a`, called A; None: nothing was observed. Periods as m2015_01."""
    rows = [
        {"version": "001", "period": name[1:].replace("_", "-"), "group": "g", "zone": "a", "zone_name": "A",
         "band": "b", "mean": value, "count": 0.0 if value is None else 4.0,
         "valid_share": 0.0 if value is None else 1.0}
        for name, value in by_period.items()
    ]  # fmt: skip
    return pa.Table.from_pylist(rows)


def test_a_month_without_rows_and_a_month_without_observations_are_told_apart() -> None:
    found = series.series(table(m2015_01=0.0, m2015_02=None, m2015_04=3.0), "a", "mean", "b")
    assert found.values == (0.0, None, None, 3.0)
    assert [p.iso for p in found.unobserved] == ["2015-02"]
    assert [p.iso for p in found.missing] == ["2015-03"]


def test_the_axis_reaches_as_far_as_asked() -> None:
    assert [p.iso for p in series.axis(["2015-02"], "2015-01", "2015-03")] == ["2015-01", "2015-02", "2015-03"]


def test_a_newer_version_of_the_collection_counts_alone() -> None:
    old, new = table(m2015_01=1.0), table(m2015_01=2.0)
    new = new.set_column(0, "version", pa.array(["002"]))
    assert series.series(series.newest(pa.concat_tables([old, new])), "a", "mean", "b").values == (2.0,)


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=60), st.integers(2, 13))
def test_a_rolling_mean_lies_among_its_values_and_a_spark_has_a_sign_each(values: list[float | None], n: int) -> None:
    some = [v for v in values if v is not None]
    for smooth in series.rolling(values, n):
        assert smooth is None or min(some) - 1e-6 <= smooth <= max(some) + 1e-6
    assert len(series.spark(values)) == len(values)
    assert [sign == "·" for sign in series.spark(values)] == [v is None for v in values]


def test_a_zone_is_found_by_id_by_name_and_in_any_case() -> None:
    rows = table(m2015_01=1.0)
    assert series.pick_zones(rows, ["a"]) == series.pick_zones(rows, ["A"]) == series.pick_zones(rows, []) == ["a"]


def test_an_unknown_zone_is_answered_with_the_near_ones(mumbai: Made) -> None:
    with pytest.raises(UsageError, match="unknown zone 'Mumbay': did you mean Mumbai"):
        series.pick_zones(mumbai.table(), ["Mumbay"])


def test_why_a_month_is_missing_comes_from_the_index() -> None:
    failed = Entry(Partition("c", "1", "2015-01", "g"), State.failed, "r/1", failure=Failure("Busy", "503"))
    late = Entry(Partition("c", "1", "2015-02", "*"), State.waiting, "r/1", reason="nothing published")
    done = Entry(Partition("c", "1", "2015-03", "g"), State.succeeded, "r/1")
    assert reasons([failed, late, done]) == {"2015-01": "failed: Busy: 503", "2015-02": "waiting: nothing published"}
    told = explained([failed, late, done], ["2015-02", "2015-03", "2015-04"])
    assert told == {"2015-02": "waiting: nothing published", "2015-03": ANOTHER, "2015-04": UNKNOWN}


def test_real_months_without_observation_are_holes_in_the_line(mumbai: Made) -> None:
    rows = mumbai.table()
    axis = series.axis(rows["period"].to_pylist())
    found = series.series(rows, "519", "mean", "avg_rade9h", axis)
    assert len(axis) == 36
    assert [p.iso for p in found.missing] == ["2018-03", "2018-11"]
    dark = [p.iso for p, share in zip(axis, found.share, strict=True) if share is not None and share < series.THIN]
    assert dark == ["2018-07", "2019-09"], "the monsoon months in which Mumbai was hardly seen"
    seen = [v for v in found.values if v is not None]
    assert min(seen) > 5, "clouds are not darkness"
    svg = chart.draw([found], title="t", format="svg").decode()
    assert svg.count("no rows") == 2
    assert "less than 10% seen" in svg
    line = max(re.findall(r'<path d="(M [^"]+)" clip-path', svg), key=len)
    assert line.count("M") == 5, "two months without rows and two hardly seen leave five stretches"


def test_a_chart_is_drawn_in_each_format_and_its_names_are_only_text() -> None:
    found = series.series(table(m2015_01=1.0, m2015_02=2.0), "a", "mean", "b")
    nasty = chart.Series(**{name: getattr(found, name) for name in found.__slots__} | {"name": "<script>$x^2$" * 40})
    png = chart.draw([nasty], title="<b>&", window=2, dark=True)
    assert Image.open(io.BytesIO(png)).size == (1300, 676)
    svg = chart.draw([nasty], title="<b>&", format="svg").decode()
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg
    assert chart.draw([found], title="t", format="pdf").startswith(b"%PDF")


def test_the_same_chart_is_the_same_bytes() -> None:
    found = series.series(table(m2015_01=1.0), "a", "mean", "b")
    assert chart.draw([found], title="t", format="svg") == chart.draw([found], title="t", format="svg")


def test_rows_of_several_times_of_a_period_are_one_mean() -> None:
    rows = [
        {"period": "2015-01", "group": "a", "zone": "z", "zone_name": "Z", "band": "b", "count": 2.0, "mean": mean}
        for mean in (1.0, 3.0, None)
    ]
    table = pa.Table.from_pylist(rows)
    assert series.series(table, "z", "mean", "b").values == (2.0,)
    assert series.series(table, "z", "count", "b").values == (2.0,)


def test_series_exports_and_the_page_show_the_same_mean_of_the_times_of_a_period() -> None:
    """Two hours of each of two months, over two zones; one hour of one zone was not observed."""
    means = {"2015-01": {"a": (1.0, 3.0), "b": (5.0, None)}, "2015-02": {"a": (2.0, 2.0), "b": (4.0, 8.0)}}
    rows = [
        {
            "version": "1",
            "period": period,
            "group": "all",
            "time": datetime(2015, int(period[-2:]), 1, hour),
            "zone": zone,
        }
        | {
            "zone_name": zone,
            "zone_set": "s",
            "band": "b",
            "unit": "K",
            "count": 2.0 * (value is not None),
            "mean": value,
        }
        for period, zones in means.items()
        for zone, values in zones.items()
        for hour, value in enumerate(values)
    ]
    schema = pa.Table.from_pylist(rows).schema
    place = schema.get_field_index("time")
    table = pa.Table.from_pylist(rows, schema=schema.set(place, pa.field("time", pa.timestamp("ms"))))
    truth = {"a": [2.0, 2.0], "b": [5.0, 6.0]}
    for zone, values in truth.items():
        assert list(series.series(table, zone, "mean", "b").values) == values
    sheets = {sheet.stat: sheet.values.tolist() for sheet in wide(table, {}).sheets}
    assert sheets == {"mean": list(truth.values()), "count": [[2, 2], [1, 2]]}
    page = values_json(table, "b", "mean", ["2015-01", "2015-02"])
    assert (page["values"], page["unit"]) == (list(truth.values()), "K")
    assert series.over_times(table.drop_columns(["time"]).slice(0, 1)).num_rows == 1

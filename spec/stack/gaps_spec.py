"""Months without rows are explained wherever in a series they are, and for the band that is looked at."""

import io
import tarfile

from spec.support import tiny
from spec.support.stack import Project

QUARTER = ("201501", "201502", "201503")


def two_bands() -> bytes:
    """An archive with two rasters of ones, `light` and `dark`."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as tar:
        for band in ("light", "dark"):
            info = tarfile.TarInfo(f"tiny.{band}.tif")
            info.size = len(tiny.raster())
            tar.addfile(info, io.BytesIO(tiny.raster()))
    return sink.getvalue()


def test_a_first_month_that_failed_and_a_last_one_that_waits_are_explained(stack: Project) -> None:
    tiny.collection(stack, "ends", "201501", "201504")
    tiny.publish(stack, "ends", "201501", body=b"no archive")
    tiny.publish(stack, "ends", "201502", "201503")
    (stack.path / "site/ends/201504").mkdir()
    stack.pileus("populate")
    stack.pileus("backfill", "ends", "--name", "ends", "--wait", code=1)
    said = stack.pileus("outputs", "show", "ends")
    assert "2015-01  failed: " in said
    assert "2015-04  waiting: nothing published" in said
    assert "·▄▄·" in said, "the line has gaps at its ends"
    within = stack.pileus("outputs", "show", "ends", "--from", "2015-02", "--to", "2015-03")
    assert "failed" not in within
    assert "waiting" not in within
    plotted = stack.pileus("outputs", "plot", "ends", "-o", "ends.svg")
    assert "2015-01  failed: " in plotted
    assert "2015-04  waiting: " in plotted


def test_a_month_that_succeeded_with_another_band_is_not_told_as_never_processed(stack: Project) -> None:
    process = {"band": "light", "zones": "data/zones/tiny.geojson"}
    tiny.publish(stack, "bands", *QUARTER, body=two_bands())
    for band, month in (("light", "201501"), ("dark", "201502")):
        meta = {"group": {"by": ["month"]}, "process": process | {"band": band}}
        tiny.collection(stack, "bands", QUARTER[0], QUARTER[-1], meta=meta)
        stack.pileus("populate")
        stack.pileus("backfill", "bands", "--from", month, "--to", month, "--wait")
    said = stack.pileus("outputs", "show", "bands", "--band", "light", "--to", "2015-03")
    assert "2015-02  it was processed, without this zone and band" in said
    assert "2015-03  no rows: never processed" in said
    assert "2015-01  it was processed" in stack.pileus("outputs", "show", "bands", "--band", "dark")

"""Other points than months, end to end: dekads of which one is left out, and months of two tiles by their ids."""

import json
from typing import Any

import numpy as np

from spec.support import tiny
from spec.support.stack import Project

DEKADS = ("2015011", "2015012", "2015013", "2015021")
PROCESS = {"band": "light", "zones": "data/zones/tiny.geojson", "stats": ["count", "mean"]}


def publish_tile(stack: Project, tile: str, month: str, value: float) -> None:
    folder = stack.path / "site/tiles" / tile
    folder.mkdir(parents=True, exist_ok=True)
    body = tiny.archive(tiny.raster(np.full((8, 8), value, "float32")))
    (folder / f"tiny_{month}.tgz").write_bytes(body)


def rows(stack: Project, collection: str) -> list[tuple[Any, ...]]:
    found = stack.json("outputs", "show", collection)
    return sorted((row["period"], row["group"], str(row["time"]), row["mean"], row["count"]) for row in found)


def test_dekads_of_which_one_is_left_out(stack: Project) -> None:
    options = {"spanUnit": "dekad", "spanStart": DEKADS[0], "spanEnd": DEKADS[-1], "exclude": ["2015-01-D3"]}
    meta = {"group": {"by": ["dekad"]}, "process": PROCESS}
    files = [{"regex": r"tiny_(?P<dekad>{{year}}{{month}}{{dekad}})\.tgz"}]
    tiny.collection(stack, "dekads", DEKADS[0], DEKADS[-1], options=options, meta=meta, files=files)
    tiny.publish(stack, "dekads", *DEKADS)
    stack.pileus("populate")
    planned = stack.json("plan", "dekads")["partitions"]
    assert [row["partition"] for row in planned] == [
        "dekads/001/2015-01-D1/2015011", "dekads/001/2015-01-D2/2015012", "dekads/001/2015-02-D1/2015021",
    ]  # fmt: skip
    stack.pileus("backfill", "dekads", "--name", "dekads", "--from", "2015-01-D2", "--wait")
    assert stack.counts("dekads") == {"succeeded": 2}
    stack.pileus("backfill", "dekads", "--name", "dekads-2", "--wait")
    assert stack.counts("dekads-2") == {"succeeded": 1, "skipped": 2}
    assert rows(stack, "dekads") == [
        ("2015-01-D1", "2015011", "2015-01-01", 1, 16),
        ("2015-01-D2", "2015012", "2015-01-11", 1, 16),
        ("2015-02-D1", "2015021", "2015-02-01", 1, 16),
    ]
    said = stack.pileus("outputs", "show", "dekads")
    assert "dekads" in said.splitlines()[0]
    assert "2015-01-D3  no rows: left out by the options of the collection" in said
    assert "2015-01-D3" in stack.pileus("outputs", "plot", "dekads", "-o", "dekads.svg")
    assert "exclude: 2015-03-D1 leaves nothing out" in refused(stack, options | {"exclude": ["2015-03-D1"]})
    assert stack.pileus("reconcile", "dekads")


def refused(stack: Project, options: dict[str, Any]) -> str:
    """What `populate` says of other options of the dekads, which stay as they are."""
    path = stack.path / "collections/dekads.json"
    before = path.read_text()
    path.write_text(json.dumps(json.loads(before) | {"options": options}))
    try:
        return stack.pileus("populate", code=2)
    finally:
        path.write_text(before)


def test_months_of_two_tiles_by_their_ids(stack: Project) -> None:
    options = {"spanUnit": "month", "points": ["201501", "201503"], "ids": ["h17v08", "h18v08"]}
    tiny.collection(
        stack,
        "tiles",
        "201501",
        "201503",
        options=options,
        templated_name="tiles_{{id}}_{{pointInTime}}",
        files=[{"regex": r"tiny_{{pointInTime}}\.tgz"}],
        provider_path=f"{stack.path}/site/tiles/{{{{id}}}}",
        meta={"process": PROCESS},
    )
    publish_tile(stack, "h17v08", "201501", 1)
    publish_tile(stack, "h17v08", "201503", 3)
    stack.pileus("populate")
    listed = stack.json("discover", "tiles", "--period", "201501")
    assert [(group["key"], group["complete"]) for group in listed["groups"]] == [("h17v08", True), ("h18v08", False)]
    stack.pileus("backfill", "tiles", "--name", "tiles", "--wait", code=1)
    told = {row["partition"]: (row["state"], row.get("why", "")) for row in stack.json("status", "tiles")["partitions"]}
    assert told.keys() == {f"tiles/001/2015-{month}/{tile}" for month in ("01", "03") for tile in ("h17v08", "h18v08")}
    state, why = told["tiles/001/2015-01/h18v08"]
    assert state == "failed"
    assert "cannot be listed: NotFound" in why
    assert told["tiles/001/2015-01/h17v08"][0] == "succeeded"
    publish_tile(stack, "h18v08", "201501", 2)
    stack.pileus("retry", "tiles", "--only", "failed", "--wait", code=1)
    assert stack.counts("tiles") == {"succeeded": 3, "waiting": 1}
    publish_tile(stack, "h18v08", "201503", 4)
    stack.pileus("retry", "tiles", "--wait")
    assert rows(stack, "tiles") == [
        ("2015-01", "h17v08", "2015-01-01", 1, 16),
        ("2015-01", "h18v08", "2015-01-01", 2, 16),
        ("2015-03", "h17v08", "2015-03-01", 3, 16),
        ("2015-03", "h18v08", "2015-03-01", 4, 16),
    ]
    square = stack.pileus("outputs", "show", "tiles", "--zone", "square")
    assert [line.split()[:2] for line in square.splitlines()[1:3]] == [["2015-01", "h17v08"], ["2015-01", "h18v08"]]
    assert "2015-02  no rows: left out by the options of the collection" in stack.pileus("outputs", "show", "tiles")
    assert stack.pileus("reconcile", "tiles")

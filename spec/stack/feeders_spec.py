"""Feeders on the embedded stack, and a backfill over a STAC API's months through a workflow of Cirrus."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.deploy.synth import check_settings
from spec.support.api import serving, stack_services
from spec.support.stac_site import StacSite, item_of, stac_site
from spec.support.stack import Project, project_of

PUBLISH = {
    "StartAt": "Asked",
    "States": {
        "Asked": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.features[0].properties.broken", "IsPresent": True, "Next": "Broken"},
                {"Variable": "$.features[0].properties.slow", "IsPresent": True, "Next": "Slow"},
            ],
            "Default": "Done",
        },
        "Broken": {"Type": "Fail", "Error": "KeyError", "Cause": "no item has an asset"},
        "Slow": {"Type": "Wait", "Seconds": 600, "Next": "Done"},
        "Done": {"Type": "Succeed"},
    },
}
LIGHTS: dict[str, Any] = {
    "name": "months",
    "templated_name": "months_{{pointInTime}}",
    "provider": "site",
    "provider_path": "viirs?datetime={{year}}-{{month}}",
    "files": [{"regex": "tile_(?P<tile>[a-z])_[0-9]{6}"}],
    "workflow": "publish",
    "options": {"spanUnit": "month", "spanStart": "201501", "spanEnd": "201503"},
    "meta": {"payload": {"process": [{"description": "publish the month"}]}},
}


def tiles(*months: int, **properties: Any) -> list[dict[str, Any]]:
    """Two items of each month."""
    found = [(month, tile) for month in months for tile in "ab"]
    return [item_of(f"tile_{tile}_20150{month}", f"2015-0{month}-01", **properties) for month, tile in found]


@pytest.fixture(scope="module")
def site() -> Iterator[StacSite]:
    with stac_site(()) as made:
        yield made


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, site: StacSite) -> Iterator[Project]:
    with project_of(tmp_path_factory.mktemp("project")) as made:
        made.document("workflows/publish.asl.json", PUBLISH)
        made.document("data/providers/site.json", {"id": "site", "protocol": "stac", "host": site.url})
        made.document("collections/months.json", LIGHTS)
        made.document("process.json", [{"workflow": "publish"}])
        made.up(workers=1)
        made.pileus("populate")
        yield made


def key(month: int) -> str:
    return f"payload:viirs/workflow-publish/tile_a_20150{month}/tile_b_20150{month}"


def test_a_backfill_makes_a_payload_of_each_month_and_follows_it(project: Project, site: StacSite) -> None:
    """Three months of two items; one fails, is mended at the site, and is retried alone."""
    site.items = [*tiles(1, 3), *tiles(2, broken=True)]
    rows = project.json("plan", "months")
    assert [row["reason"] for row in rows["partitions"]] == ["new"] * 3
    project.pileus("backfill", "months", "--name", "first", "--wait", code=1)
    assert project.counts("first") == {"succeeded": 2, "failed": 1}
    status = project.json("status", "first")
    failed = next(one for one in status["partitions"] if one["state"] == "failed")
    assert failed["partition"].startswith("months/001/2015-02/")
    assert "KeyError: no item has an asset" in failed["why"]
    assert project.json("runs", "show", key(1))["number"] == 1
    made = project.json("runs", "result", "months/001/2015-01/all")
    assert made["parameters"]["payload"] == key(1)
    assert [item["id"] for item in json.loads(project.edges.store.get(made["outputs"][0]["url"]))["features"]] == [
        "tile_a_201501",
        "tile_b_201501",
    ]
    site.items = tiles(1, 2, 3)
    project.pileus("retry", "first", "--only", "failed")
    project.wait_until_over("first")
    assert project.counts("first") == {"succeeded": 3}
    assert [project.json("runs", "show", key(month))["number"] for month in (1, 2, 3)] == [1, 2, 1]
    project.pileus("backfill", "months", "--name", "again", "--wait")
    assert project.counts("again") == {"skipped": 3}


def test_a_cancelled_backfill_stops_its_payloads_and_a_paused_one_goes_on(project: Project, site: StacSite) -> None:
    site.items = tiles(1, 2, 3, slow=True, updated="2016-01-01T00:00:00Z")
    project.pileus("backfill", "months", "--name", "slow", "--max-running", "2")
    project.wait_for(lambda: project.counts("slow").get("running") == 2)
    project.pileus("pause", "slow")
    running = [key(month) for month in (1, 2, 3)]
    project.wait_for(lambda: all(project.json("runs", "show", one)["state"] != "running" for one in running))
    project.pileus("resume", "slow")
    project.wait_for(lambda: project.counts("slow").get("running") == 2)
    project.pileus("cancel", "slow")
    project.wait_for(lambda: all(project.json("runs", "show", one)["state"] != "running" for one in running))
    assert project.counts("slow") == {"cancelled": 3}
    assert project.counts("first") == {"succeeded": 3}, "later backfills change nothing of it"


def test_a_feed_hands_in_what_it_yields_and_a_second_one_skips(project: Project, site: StacSite) -> None:
    site.items = [item_of(f"fed_{number}", "2016-01-01") for number in range(5)]
    words = ["feed", "stac-search", "--param", f"url={site.url}", "--param", "process=@process.json"]
    assert project.json(*words, "--dry-run")["started"] == 5
    assert "5 started, 0 skipped, 0 invalid" in project.pileus(*words)
    project.wait_for(
        lambda: project.json("runs", "show", "payload:viirs/workflow-publish/fed_4")["state"] == "succeeded"
    )
    told = project.json(*words)
    assert (told["started"], told["skipped"], told["invalid"]) == (0, 5, 0)
    project.document("odd.json", [{"workflow": "missing"}])
    refused = project.json(*words[:-1], "process=@odd.json", code=1)
    assert (refused["started"], refused["invalid"]) == (0, 5)


def test_a_feed_through_the_api_hands_in_the_same(project: Project, site: StacSite, tmp_path: Path) -> None:
    site.items = [item_of(f"remote_{number}", "2018-01-01") for number in range(3)]
    words = ["feed", "stac-search", "--param", f"url={site.url}", "--param", "process=@process.json"]
    with serving(stack_services(project), tmp_path, check_settings({})) as ask:
        env = {"PILEUS_URL": ask.url, "PILEUS_TOKEN": ask.tokens["operate"]}
        assert "3 would be handed in" in project.pileus(*words, "--dry-run", env=env)
        assert "3 started, 0 skipped, 0 invalid" in project.pileus(*words, env=env)
        assert "0 started, 3 skipped, 0 invalid" in project.pileus(*words, env=env)
        rerun = ["feed", "rerun", "--param", "collections=none", "--param", "workflow=publish"]
        assert "0 started" in project.pileus(*rerun, env=env)
        refused = project.pileus(*words, code=None, env=env | {"PILEUS_TOKEN": ask.tokens["read"]})
    assert "operate" in refused
    assert project.json("runs", "show", "payload:viirs/workflow-publish/remote_2")["number"] == 1


def test_rerun_takes_what_failed(project: Project, site: StacSite) -> None:
    site.items = [item_of("bad_1", "2017-01-01", broken=True), item_of("bad_2", "2017-01-01")]
    project.pileus("feed", "stac-search", "--param", f"url={site.url}", "--param", "process=@process.json")
    bad = "payload:viirs/workflow-publish/bad_1"
    project.wait_for(lambda: project.json("runs", "show", bad)["state"] == "failed")
    words = ["feed", "rerun", "--param", "collections=viirs", "--param", "workflow=publish"]
    words += ["--param", "error_begins_with=KeyError: no item", "--param", "limit=1"]
    told = project.json(*words, "--param", 'process_update={"tasks": {"mask": {"a": 1}}}')
    assert (told["started"], told["skipped"]) == (1, 0)

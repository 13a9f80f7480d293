"""QueueGranules: what a message announces becomes the groups that a backfill of its point in time would have made."""

import json
from pathlib import Path
from typing import Any

import pytest

from pileus.errors import DocumentError
from pileus.models import Partition
from pileus.tasks.ingested import ingested
from pileus.tasks.queue_granules import queue_announced
from pileus.wiring import Edges, wire_folder
from spec.servers.fixtures import Start

NAMES = ("a_20150101_N.tgz", "a_20150101_S.tgz")
TEMPLATE: dict[str, Any] = {
    "name": "winds",
    "templated_name": "winds_{{pointInTime}}",
    "files": [{"regex": r"a_(?P<start>\d{8})_(?P<tile>[NS])\.tgz"}],
    "provider": "site",
    "options": {"spanUnit": "month", "spanStart": "201501", "spanEnd": "201501"},
    "meta": {"group": {"by": ["start"], "each": "tile", "expect": ["N", "S"]}},
}

ON_WEB = {"provider": "web", "provider_path": "/{{pointInTime}}/"}


class Place:
    """A folder of the provider, and a stack in another."""

    def __init__(self, folder: Path, port: int = 9) -> None:
        self.site, self.edges, self.runs = folder / "site", wire_folder(folder / "stack", {}), 0
        value = {
            "collections": {
                "winds___001": TEMPLATE | {"provider_path": f"{self.site}/{{{{pointInTime}}}}"},
                "waves___001": TEMPLATE | {"name": "waves", "templated_name": "w_{{pointInTime}}"} | ON_WEB,
            },
            "providers": {
                "site": {"id": "site", "protocol": "file"},
                "web": {"id": "web", "protocol": "http", "host": "127.0.0.1", "port": port, "attempts": 1},
            },
            "rules": {},
        }
        self.edges.store.put(self.edges.internal("registry.json"), json.dumps(value).encode())

    def publish(self, *names: str, month: str = "201501") -> None:
        for name in names:
            path = self.site / month / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"abc")

    def file(self, name: str, month: str = "201501", **changes: Any) -> dict[str, Any]:
        url = (self.site / month / name).as_uri()
        return {"type": "data", "uri": url, "name": name, "size": 3} | changes

    def queue(self, *files: dict[str, Any], name: str = "winds") -> dict[str, Any]:
        self.runs += 1
        payload = {"version": "1.5", "identifier": "i", "submissionTime": "2015-02-01", "collection": name}
        payload |= {"product": {"name": "a", "files": list(files)}}
        provider = "site" if name == "winds" else "web"
        meta = {"collection": {"name": name, "version": "001"}, "provider": {"id": provider}}
        config = {"execution": f"arn:{self.runs}", "name": f"run_{self.runs}_1"}
        return queue_announced(self.edges, {"config": config, "input": {"meta": meta, "payload": payload}})


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def state(edges: Edges, group: str = "20150101") -> Any:
    return edges.index.entry(Partition("winds", "001", "2015-01", group))


def test_the_group_of_a_file_is_queued_whole_though_one_of_its_files_was_announced(place: Place) -> None:
    place.publish(*NAMES)
    answer = place.queue(place.file(NAMES[0]))
    (item,) = answer["items"]
    assert [one["name"] for one in item["task"]["input"]["granules"]] == list(NAMES)
    assert item["task"]["config"]["partition"] == "winds/001/2015-01/20150101"
    backfill = place.edges.index.backfill(answer["backfill"])
    assert backfill is not None
    assert (backfill.first, backfill.last, backfill.queue) == ("2015-01", "2015-01", "ingest")


def test_a_group_that_lacks_a_file_waits_and_the_run_is_no_failure(place: Place) -> None:
    place.publish(NAMES[0])
    answer = place.queue(place.file(NAMES[0]))
    assert answer["count"] == 0
    told = ingested(place.edges, answer["backfill"], answer["run"])
    assert (told["state"], "failure" in told) == ("incomplete", False)
    assert told["partitions"][0]["why"] == "1 of 2 published, missing S"


def test_groups_of_other_files_are_left_alone(place: Place) -> None:
    place.publish(*NAMES, "a_20150115_N.tgz", "a_20150115_S.tgz")
    answer = place.queue(place.file("a_20150115_S.tgz"))
    assert [item["task"]["input"]["key"] for item in answer["items"]] == ["20150115"]
    assert state(place.edges) is None


def test_the_fingerprint_is_that_of_a_backfill_and_the_checksum_is_for_the_worker(place: Place) -> None:
    place.publish(*NAMES)
    plain = place.queue(place.file(NAMES[0]))["items"][0]["task"]
    place.edges.index.remove(state(place.edges))
    said = place.queue(place.file(NAMES[0], checksum="ab01"))["items"][0]["task"]
    assert plain["config"]["entry"]["fingerprint"] == said["config"]["entry"]["fingerprint"]
    assert [one.get("checksum") for one in said["input"]["granules"]] == ["md5:ab01", None]


def test_a_point_after_the_templates_span_is_taken(place: Place) -> None:
    names = ("a_20150201_N.tgz", "a_20150201_S.tgz")
    place.publish(*names, month="201502")
    answer = place.queue(place.file(names[0], "201502"))
    assert answer["items"][0]["task"]["config"]["partition"] == "winds/001/2015-02/20150201"


def test_another_size_than_the_provider_has_fails_with_both(place: Place) -> None:
    place.publish(*NAMES)
    with pytest.raises(DocumentError, match="announced with 4 bytes, and the provider has 3"):
        place.queue(place.file(NAMES[0], size=4))
    assert not list(place.edges.index.backfills()), "and no backfill has begun"


def test_a_file_of_the_machine_that_is_in_no_listing_is_refused(place: Place) -> None:
    place.publish(*NAMES)
    with pytest.raises(DocumentError, match="not in the provider's folder"):
        place.queue(place.file("a_20150109_N.tgz", uri="file:///etc/a_20150109_N.tgz"))


@pytest.fixture
def web(tmp_path: Path, python_server: Start) -> Place:
    """The same with a provider on the web, which has one tile in its folder of the month."""
    place = Place(tmp_path, python_server(tmp_path / "site").port)
    place.publish("a_20150101_N.tgz")
    return place


def beside(place: Place, name: str, host: str = "") -> dict[str, Any]:
    """A file that is announced at the provider, and not in the folder of its month."""
    provider = json.loads(place.edges.store.get(place.edges.internal("registry.json")))["providers"]["web"]
    url = f"http://{host or '127.0.0.1'}:{provider['port']}/drop/{name}"
    return {"type": "data", "name": name, "uri": url, "size": 3, "checksum": "ab01"}


def test_a_file_that_is_announced_beside_the_folder_completes_the_group(web: Place) -> None:
    (item,) = web.queue(beside(web, "a_20150101_S.tgz"), name="waves")["items"]
    here, there = item["task"]["input"]["granules"]
    assert (here["name"], here["url"].split("/")[-2]) == ("a_20150101_N.tgz", "201501")
    assert (there["name"], there["url"].split("/")[-2], there["size"]) == ("a_20150101_S.tgz", "drop", 3)
    assert there["checksum"] == "md5:ab01"


def test_files_that_two_messages_announce_make_one_group(web: Place) -> None:
    first = web.queue(beside(web, "a_20150109_N.tgz"), name="waves")
    assert (first["count"], first["found"]) == (0, 1)
    (item,) = web.queue(beside(web, "a_20150109_S.tgz"), name="waves")["items"]
    assert [one["name"] for one in item["task"]["input"]["granules"]] == ["a_20150109_N.tgz", "a_20150109_S.tgz"]


def test_an_address_at_another_host_is_refused(web: Place) -> None:
    with pytest.raises(DocumentError, match="is not at provider web"):
        web.queue(beside(web, "a_20150101_S.tgz", host="example.org"), name="waves")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([("b.xml", "201501")], "regex matches none of 1 files, such as b.xml"),
        ([(NAMES[0], "201501"), ("a_20150201_N.tgz", "201502")], "several points in time: 2015-01, 2015-02"),
    ],
)
def test_what_is_of_no_point_or_of_several_is_refused(place: Place, files: list[Any], told: str) -> None:
    with pytest.raises(DocumentError, match=told):
        place.queue(*(place.file(*one) for one in files))

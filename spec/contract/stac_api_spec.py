"""The STAC API over real outputs, by the clients and validators of others."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pystac
import pystac_client
import pytest
import rasterio
import requests

from pileus.client.services import Services
from spec.support.api import Served, served
from spec.support.outputs import Made
from spec.support.stac_judge import judged

AROUND = {"type": "Polygon", "coordinates": [[[57, 41], [63, 41], [63, 47], [57, 47], [57, 41]]]}
COLLECTION = "lights-001"


@pytest.fixture(scope="module")
def api(hostile: Made) -> Iterator[Served]:
    """Three months of lights over zones whose names try something."""
    unused: Any = None
    with served(Services(unused, hostile.edges, unused)) as server:
        yield server


@pytest.fixture
def client(api: Served) -> pystac_client.Client:
    return pystac_client.Client.open(f"{api.url}/stac", headers={"Authorization": "Bearer reads"})


def ids(api: Served, **asked: Any) -> list[str]:
    """Months that a search by GET finds."""
    answer = api.get("/stac/search", params=asked)
    assert answer.status_code == 200, answer.text
    return [item["properties"]["title"].removeprefix("lights ") for item in answer.json()["features"]]


def test_the_validator_finds_nothing_wrong(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Core, collections, features and item search, with pages."""
    assert judged(monkeypatch, f"{api.url}/stac", "reads", COLLECTION, AROUND) == []


def test_pystac_client_walks_collections_and_items(client: pystac_client.Client) -> None:
    (collection,) = client.get_collections()
    assert collection.id == COLLECTION
    assert collection.extent.spatial.bboxes == [[-70, -30, 62, 46]]
    months = [item.properties["title"] for item in collection.get_items()]
    assert months == ["lights 2015-03", "lights 2015-02", "lights 2015-01"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pystac_client_searches_page_by_page(client: pystac_client.Client, method: str) -> None:
    search = client.search(
        method=method, collections=[COLLECTION], bbox=[58, 42, 62, 46], datetime="2015-01-15/2015-02-15", limit=1,
        sortby="+properties.datetime",
    )  # fmt: skip
    assert [len(page) for page in search.pages()] == [1, 1]
    assert [item.id for item in search.items()] == ["lights-001-2015-01-20150101", "lights-001-2015-02-20150201"]
    assert search.matched() == 2


def test_pystac_client_searches_by_shape_and_id(client: pystac_client.Client) -> None:
    assert client.search(intersects=AROUND).matched() == 3
    apart = {"type": "Point", "coordinates": [100, 0]}
    assert client.search(intersects=apart).matched() == 0
    assert client.search(ids=["lights-001-2015-02-20150201"]).matched() == 1


def test_every_item_is_valid_and_its_assets_are_read_by_the_same_token(
    client: pystac_client.Client, hostile: Made
) -> None:
    kinds = set[str]()
    for item in client.search().items():
        for name, asset in item.assets.items():
            answer = requests.get(asset.href, headers={"Authorization": "Bearer reads"}, timeout=30)
            assert answer.headers["Content-Type"] == asset.media_type
            where = asset.extra_fields["alternate"]["s3"]["href"]
            assert answer.content == hostile.store.get(where)
            kinds.add(name.partition("-")[0])
    assert kinds >= {"table", "csv", "clip", "picture", "manifest", "zones"}


def test_items_are_valid_and_their_links_lead_to_what_they_say(client: pystac_client.Client) -> None:
    item = next(client.search(max_items=1).items())
    item.stac_extensions = []  # their schemas are only on the web
    item.validate()
    assert item.get_self_href() == f"{client.self_href}/collections/{COLLECTION}/items/{item.id}"
    parent = item.get_parent()
    assert parent is not None
    assert parent.id == COLLECTION
    assert len([link for link in item.links if link.rel == "derived_from"]) == 6
    assert isinstance(pystac.read_dict(item.to_dict()), pystac.Item)


def test_gdal_reads_a_clip_by_ranges_with_the_token(api: Served, client: pystac_client.Client, hostile: Made) -> None:
    item = next(client.search(max_items=1).items())
    clip = next(asset for name, asset in item.assets.items() if name.startswith("clip-"))
    with (
        rasterio.Env(GDAL_HTTP_HEADERS="Authorization: Bearer reads", GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"),
        rasterio.open(f"/vsicurl/{clip.href}") as there,
    ):
        values = there.read(1)
    with rasterio.MemoryFile(hostile.store.get(clip.extra_fields["alternate"]["s3"]["href"])) as file, file.open() as d:
        assert np.array_equal(values, d.read(1), equal_nan=True)


def test_a_range_of_an_asset_is_answered_as_http_says(api: Served) -> None:
    item = api.get(f"/stac/collections/{COLLECTION}/items/lights-001-2015-01-20150101").json()
    href, size = item["assets"]["csv"]["href"], item["assets"]["csv"]["file:size"]
    whole = api.get(href)
    assert (whole.status_code, len(whole.content)) == (200, size)
    part = api.get(href, headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, whole.content[5:10])
    assert part.headers["Content-Range"] == f"bytes 5-9/{size}"
    assert api.get(href, headers={"Range": "bytes=-3"}).content == whole.content[-3:]
    beyond = api.get(href, headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
    other = api.get(href, headers={"Range": "bytes=5-9", "If-Range": '"another"'})
    assert (other.status_code, other.content) == (200, whole.content)
    head = api.ask("HEAD", href)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, str(size), b"")


def test_a_search_finds_by_time(api: Served) -> None:
    assert ids(api) == ["2015-03", "2015-02", "2015-01"]
    assert ids(api, datetime="2015-02-01T00:00:00Z") == ["2015-02"]
    assert ids(api, datetime="2015-01-31T23:59:59Z/2015-02-01T00:00:00Z") == ["2015-02", "2015-01"]
    assert ids(api, datetime="../2015-01-31T23:00:00-05:00") == ["2015-02", "2015-01"]
    assert ids(api, datetime="2015-03-31T23:59:59Z/") == ["2015-03"]


def test_a_search_finds_by_place(api: Served) -> None:
    assert len(ids(api, bbox="62,46,63,47")) == 3
    assert ids(api, bbox="62.1,46,63,47") == []
    assert len(ids(api, bbox="170,-30,-70,0")) == 3, "over the date line"
    assert len(ids(api, bbox="62,46,-5,63,47,5")) == 3, "heights are not looked at"


def test_the_items_of_a_collection_are_searched_like_all(api: Served) -> None:
    at = f"/stac/collections/{COLLECTION}/items"
    assert api.get(at, params={"datetime": "2015-02-01T00:00:00Z"}).json()["numberMatched"] == 1
    assert api.get(at, params={"collections": COLLECTION}).json()["numberMatched"] == 3
    assert api.get(at, params={"collections": "another"}).json()["numberMatched"] == 0


def test_a_page_says_what_comes_next(api: Served) -> None:
    first = api.get("/stac/search", params={"limit": 2, "bbox": "58,42,62,46"}).json()
    assert (first["numberMatched"], first["numberReturned"]) == (3, 2)
    (link,) = [link for link in first["links"] if link["rel"] == "next"]
    second = api.get(link["href"]).json()
    assert [item["properties"]["title"] for item in second["features"]] == ["lights 2015-01"]
    assert "next" not in [link["rel"] for link in second["links"]]


def test_a_posted_search_says_the_body_of_its_next_page(api: Served) -> None:
    body = {"limit": 2, "collections": [COLLECTION], "sortby": [{"field": "id", "direction": "asc"}]}
    first = api.ask("POST", "/stac/search", json=body).json()
    (link,) = [link for link in first["links"] if link["rel"] == "next"]
    assert link["body"] == body | {"token": link["body"]["token"]}
    second = api.ask(link["method"], link["href"], json=link["body"]).json()
    assert [item["id"] for item in second["features"]] == ["lights-001-2015-03-20150301"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"bbox": "0,0,1"}, "bbox: expected 4 or 6 numbers"),
        ({"bbox": "0,2,1,1"}, "the lower corner is above the upper one"),
        ({"bbox": "0,0,nan,1"}, "bbox/2"),
        ({"bbox": "0,0,1,1", "intersects": json.dumps(AROUND)}, "bbox or intersects, not both"),
        ({"intersects": "{"}, "expected a GeoJSON geometry"),
        ({"intersects": '{"type":"Point"}'}, "expected a GeoJSON geometry"),
        ({"intersects": '{"type":"Polygon","coordinates":[[[0,0],[1,1],[0,1],[1,0],[0,0]]]}'}, "Self-intersection"),
        ({"datetime": "2015-01"}, "is not a moment"),
        ({"datetime": "../.."}, "datetime: expected"),
        ({"limit": "0"}, "query/limit"),
        ({"sortby": "cloud_cover"}, "cannot sort by 'cloud_cover'"),
        ({"token": "x"}, "not a cursor"),
        ({"filter": "a = 1"}, "unknown parameter 'filter'"),
    ],
)
def test_a_search_that_is_wrong_is_400_and_says_why(api: Served, asked: dict[str, str], told: str) -> None:
    answer = api.get("/stac/search", params=asked)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert told in answer.json()["detail"]


@pytest.mark.parametrize("body", ["{", "[]", '{"query": {}}', '{"limit": "x"}', '{"bbox": [0, 0, NaN, 1]}'])
def test_a_body_that_is_wrong_is_400(api: Served, body: str) -> None:
    answer = api.ask("POST", "/stac/search", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/stac/collections/none",
        "/stac/collections/none/items",
        "/stac/collections/lights-001/items/none",
        "/stac/collections/lights-001/items/lights-001-2015-01-20150101/assets/none",
        "/stac/collections/lights-001/items/lights-001-2015-01-20150101/assets/..%2F..%2Fx",
    ],
)
def test_what_is_not_there_is_404(api: Served, path: str) -> None:
    assert api.get(path).status_code == 404


def test_only_landing_and_conformance_are_public(api: Served) -> None:
    for path in ("/stac", "/stac/", "/stac/conformance"):
        assert api.get(path, token=None).status_code == 200
        assert "lights" not in api.get(path, token=None).text
    item = f"/stac/collections/{COLLECTION}/items/lights-001-2015-01-20150101"
    for path in ("/stac/collections", f"/stac/collections/{COLLECTION}", f"/stac/collections/{COLLECTION}/items", item,
                 f"{item}/assets/table", "/stac/search"):  # fmt: skip
        for token in (None, "wrong"):
            refused = api.get(path, token=token)
            assert (refused.status_code, refused.headers["Content-Type"]) == (401, "application/problem+json")
    assert api.ask("POST", "/stac/search", None, json={}).status_code == 401
    assert api.ask("HEAD", f"{item}/assets/table", None).status_code == 401


def test_an_item_that_has_not_changed_is_304(api: Served) -> None:
    first = api.get("/stac/search")
    again = api.get("/stac/search", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")

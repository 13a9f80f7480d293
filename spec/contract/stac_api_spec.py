"""The STAC API over real outputs, by the clients and validators of others."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import numpy as np
import pystac
import pystac_client
import pytest
import rasterio
import requests

from pileus.api.stac import router
from pileus.edges.aws import Aws
from pileus.edges.store import S3Store
from spec.servers import Site
from spec.support.api import Answer, Asking, folder_services, serving
from spec.support.outputs import Made
from spec.support.stac_judge import judged

AROUND = {"type": "Polygon", "coordinates": [[[57, 41], [63, 41], [63, 47], [57, 47], [57, 41]]]}
COLLECTION = "lights-001"


@pytest.fixture(scope="module")
def api(hostile: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """Three months of lights over zones whose names try something."""
    folder = tmp_path_factory.mktemp("api")
    with serving(folder_services(hostile.edges, folder), folder) as server:
        yield server


@pytest.fixture
def client(api: Asking) -> pystac_client.Client:
    return pystac_client.Client.open(f"{api.url}/stac", headers=bearer(api))


def bearer(api: Asking) -> dict[str, str]:
    return {"Authorization": f"Bearer {api.tokens['read']}"}


def get(api: Asking, path: str, role: str | None = "read", **headers: str) -> Answer:
    """The answer to GET of a path, or of an address of this server."""
    return api(path.removeprefix(api.url), role=role, **headers)


def search(api: Asking, **asked: Any) -> Answer:
    """The answer to a search by GET."""
    return get(api, f"/stac/search?{urlencode(asked)}")


def ids(api: Asking, **asked: Any) -> list[str]:
    """Months that a search by GET finds."""
    answer = search(api, **asked)
    assert answer.status == 200, answer.body
    return [item["properties"]["title"].removeprefix("lights ") for item in answer.json["features"]]


def test_the_validator_finds_nothing_wrong(api: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    """Core, collections, features and item search, with pages."""
    assert judged(monkeypatch, f"{api.url}/stac", api.tokens["read"], COLLECTION, AROUND) == []


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
    api: Asking, client: pystac_client.Client, hostile: Made
) -> None:
    kinds = set[str]()
    for item in client.search().items():
        for name, asset in item.assets.items():
            answer = requests.get(asset.href, headers=bearer(api), timeout=30)
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


def test_gdal_reads_a_clip_by_ranges_with_the_token(api: Asking, client: pystac_client.Client, hostile: Made) -> None:
    item = next(client.search(max_items=1).items())
    clip = next(asset for name, asset in item.assets.items() if name.startswith("clip-"))
    with (
        rasterio.Env(
            GDAL_HTTP_HEADERS=f"Authorization: Bearer {api.tokens['read']}", GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"
        ),
        rasterio.open(f"/vsicurl/{clip.href}") as there,
    ):
        values = there.read(1)
    with rasterio.MemoryFile(hostile.store.get(clip.extra_fields["alternate"]["s3"]["href"])) as file, file.open() as d:
        assert np.array_equal(values, d.read(1), equal_nan=True)


def test_a_range_of_an_asset_is_answered_as_http_says(api: Asking) -> None:
    item = get(api, f"/stac/collections/{COLLECTION}/items/lights-001-2015-01-20150101").json
    href, size = item["assets"]["csv"]["href"], item["assets"]["csv"]["file:size"]
    whole = get(api, href)
    assert (whole.status, len(whole.body)) == (200, size)
    part = get(api, href, Range="bytes=5-9")
    assert (part.status, part.body) == (206, whole.body[5:10])
    assert part.headers["content-range"] == f"bytes 5-9/{size}"
    assert get(api, href, Range="bytes=-3").body == whole.body[-3:]
    beyond = get(api, href, Range=f"bytes={size}-")
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    other = get(api, href, Range="bytes=5-9", If_Range='"another"')
    assert (other.status, other.body) == (200, whole.body)
    head = api(href.removeprefix(api.url), method="HEAD")
    assert (head.status, head.headers["content-length"], head.body) == (200, str(size), b"")


def test_behind_a_gateway_a_large_asset_is_read_from_s3_itself(
    hostile: Made, aws: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same items in S3. What is small is still answered."""
    monkeypatch.setattr(router, "GATHERED", 100)
    bucket = f"stac-{uuid4().hex[:8]}"
    client = Aws(aws.url).s3
    client.create_bucket(Bucket=bucket)
    store = S3Store(client)
    for url, _ in hostile.store.list("s3://protected/"):
        body = hostile.store.get(url).replace(b"s3://protected/", f"s3://{bucket}/".encode())
        store.put(url.replace("s3://protected/", f"s3://{bucket}/"), body)
    edges = replace(hostile.edges, store=store, stack=replace(hostile.edges.stack, protected=bucket, internal=bucket))
    with serving(folder_services(edges, tmp_path), tmp_path, streams=False) as api:
        at = f"{api.url}/stac/collections/{COLLECTION}/items/lights-001-2015-01-20150101/assets/table"
        answer = requests.get(at, headers=bearer(api), timeout=30)
        assert [one.status_code for one in answer.history] == [307]
        assert answer.content[:4] == b"PAR1"
        part = requests.get(at, headers=bearer(api) | {"Range": "bytes=0-3"}, timeout=30)
        assert (part.history, part.status_code, part.content) == ([], 206, b"PAR1")
        assert get(api, "/stac/search").json["numberMatched"] == 3


def test_a_search_finds_by_time(api: Asking) -> None:
    assert ids(api) == ["2015-03", "2015-02", "2015-01"]
    assert ids(api, datetime="2015-02-01T00:00:00Z") == ["2015-02"]
    assert ids(api, datetime="2015-01-31T23:59:59Z/2015-02-01T00:00:00Z") == ["2015-02", "2015-01"]
    assert ids(api, datetime="../2015-01-31T23:00:00-05:00") == ["2015-02", "2015-01"]
    assert ids(api, datetime="2015-03-31T23:59:59Z/") == ["2015-03"]


def test_a_search_finds_by_place(api: Asking) -> None:
    assert len(ids(api, bbox="62,46,63,47")) == 3
    assert ids(api, bbox="62.1,46,63,47") == []
    assert len(ids(api, bbox="170,-30,-70,0")) == 3, "over the date line"
    assert len(ids(api, bbox="62,46,-5,63,47,5")) == 3, "heights are not looked at"


def test_the_items_of_a_collection_are_searched_like_all(api: Asking) -> None:
    at = f"/stac/collections/{COLLECTION}/items"
    assert get(api, at + "?" + urlencode({"datetime": "2015-02-01T00:00:00Z"})).json["numberMatched"] == 1
    assert get(api, at + "?" + urlencode({"collections": COLLECTION})).json["numberMatched"] == 3
    assert get(api, at + "?" + urlencode({"collections": "another"})).json["numberMatched"] == 0


def test_a_page_says_what_comes_next(api: Asking) -> None:
    first = search(api, **{"limit": 2, "bbox": "58,42,62,46"}).json
    assert (first["numberMatched"], first["numberReturned"]) == (3, 2)
    (link,) = [link for link in first["links"] if link["rel"] == "next"]
    second = get(api, link["href"]).json
    assert [item["properties"]["title"] for item in second["features"]] == ["lights 2015-01"]
    assert "next" not in [link["rel"] for link in second["links"]]


def test_a_posted_search_says_the_body_of_its_next_page(api: Asking) -> None:
    body = {"limit": 2, "collections": [COLLECTION], "sortby": [{"field": "id", "direction": "asc"}]}
    first = api("/stac/search", method="POST", body=body).json
    (link,) = [link for link in first["links"] if link["rel"] == "next"]
    assert link["body"] == body | {"token": link["body"]["token"]}
    second = api("/stac/search", method=link["method"], body=link["body"]).json
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
def test_a_search_that_is_wrong_is_400_and_says_why(api: Asking, asked: dict[str, str], told: str) -> None:
    answer = search(api, **asked)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert told in answer.json["detail"]


@pytest.mark.parametrize("body", ["{", "[]", '{"query": {}}', '{"limit": "x"}', '{"bbox": [0, 0, NaN, 1]}'])
def test_a_body_that_is_wrong_is_400(api: Asking, body: str) -> None:
    answer = api("/stac/search", method="POST", body=body.encode())
    assert answer.status == 400, answer.body


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
def test_what_is_not_there_is_404(api: Asking, path: str) -> None:
    assert get(api, path).status == 404


def test_only_landing_and_conformance_are_public(api: Asking) -> None:
    for path in ("/stac", "/stac/", "/stac/conformance"):
        assert get(api, path, role=None).status == 200
        assert "lights" not in str(get(api, path, role=None).body)
    item = f"/stac/collections/{COLLECTION}/items/lights-001-2015-01-20150101"
    for path in ("/stac/collections", f"/stac/collections/{COLLECTION}", f"/stac/collections/{COLLECTION}/items", item,
                 f"{item}/assets/table", "/stac/search"):  # fmt: skip
        for token in (None, "wrong"):
            refused = api(path, role=None, token=token)
            assert (refused.status, refused.headers["content-type"]) == (401, "application/problem+json")
    assert api("/stac/search", method="POST", role=None, body={}).status == 401
    assert api(f"{item}/assets/table", method="HEAD", role=None).status == 401


def test_an_item_that_has_not_changed_is_304(api: Asking) -> None:
    first = get(api, "/stac/search")
    again = get(api, "/stac/search", If_None_Match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")

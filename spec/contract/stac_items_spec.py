"""Items go into a STAC API by Transactions: POST adds one, PUT replaces it; what is refused is said with the reason.

The catalogue has the extension's paths under a real uvicorn, and reads each item with pystac.
"""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pystac
import pytest
import uvicorn
from fastapi import FastAPI, Header, HTTPException

from pileus.edges.secrets import Secret
from pileus.edges.stac_items import HttpStacItems, KeptStacItems, NoStacItems
from pileus.errors import DocumentError, Unavailable

ITEM: dict[str, Any] = {
    "type": "Feature",
    "stac_version": "1.0.0",
    "id": "a b/c",
    "collection": "lights",
    "geometry": None,
    "properties": {"datetime": "2015-01-01T00:00:00Z"},
    "links": [],
    "assets": {},
}


@dataclass
class Catalogue:
    """A STAC API with one collection; `answers` are status codes that it gives before it does anything."""

    kept: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/collections/{collection}/items", status_code=201)
        def create(collection: str, item: dict[str, Any], authorization: str | None = Header(None)) -> dict[str, Any]:
            self.look("POST", collection, item, authorization)
            if item["id"] in self.kept:
                raise HTTPException(409, "there is an item of this id")
            self.kept[item["id"]] = item
            return item

        @app.put("/collections/{collection}/items/{id:path}")
        def update(
            collection: str, id: str, item: dict[str, Any], authorization: str | None = Header(None)
        ) -> dict[str, Any]:
            self.look("PUT", collection, item, authorization)
            assert id == item["id"]
            self.kept[id] = item
            return item

        return app

    def look(self, method: str, collection: str, item: dict[str, Any], authorization: str | None) -> None:
        self.asked.append((method, authorization))
        if self.answers:
            raise HTTPException(self.answers.pop(0), "not now")
        if collection != "lights":
            raise HTTPException(404, f"there is no collection {collection}")
        try:
            pystac.Item.from_dict(item)
        except Exception as exc:
            raise HTTPException(400, f"no item: {type(exc).__name__}") from exc


@pytest.fixture
def catalogue() -> Iterator[tuple[Catalogue, str]]:
    made = Catalogue()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(made.app(), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield made, f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


def test_an_item_is_added_and_the_next_time_replaced(catalogue: tuple[Catalogue, str]) -> None:
    made, url = catalogue
    items = HttpStacItems(f"{url}/", lambda: Secret("open sesame"))
    items.put(ITEM)
    items.put(ITEM | {"properties": {"datetime": "2016-01-01T00:00:00Z"}})
    assert [one["properties"]["datetime"] for one in made.kept.values()] == ["2016-01-01T00:00:00Z"]
    assert [method for method, _ in made.asked] == ["POST", "POST", "PUT"]
    assert {told for _, told in made.asked} == {"Bearer open sesame"}


def test_no_token_is_sent_where_none_is_named(catalogue: tuple[Catalogue, str]) -> None:
    made, url = catalogue
    HttpStacItems(url).put(ITEM)
    assert made.asked == [("POST", None)]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_passes_is_tried_again(catalogue: tuple[Catalogue, str], status: int) -> None:
    made, url = catalogue
    made.answers = [status]
    HttpStacItems(url).put(ITEM)
    assert len(made.asked) == 2
    made.answers = [status] * 3
    with pytest.raises(Unavailable, match=f"answered {status}"):
        HttpStacItems(url).put(ITEM)


def test_what_is_refused_is_not_tried_again_and_says_why(catalogue: tuple[Catalogue, str]) -> None:
    made, url = catalogue
    with pytest.raises(DocumentError, match=r"refused item 'a b/c': 404 .*there is no collection moons"):
        HttpStacItems(url).put(ITEM | {"collection": "moons"})
    with pytest.raises(DocumentError, match=r"refused item 'a b/c': 400 .*no item"):
        HttpStacItems(url).put(ITEM | {"type": "Catalog"})
    with pytest.raises(DocumentError, match="without an id or a collection"):
        HttpStacItems(url).put({"id": "a"})
    assert len(made.asked) == 2


def test_one_that_cannot_be_reached_is_said_to_be(catalogue: tuple[Catalogue, str]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable, match="cannot be reached"):
            HttpStacItems(f"http://127.0.0.1:{nobody.getsockname()[1]}").put(ITEM)


def test_without_a_catalogue_nothing_is_done() -> None:
    NoStacItems().put(ITEM)
    kept = KeptStacItems()
    kept.put(ITEM)
    assert kept.kept == {("lights", "a b/c"): ITEM}

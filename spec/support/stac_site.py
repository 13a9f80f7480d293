"""A small STAC API on 127.0.0.1: item search by GET, with collections, datetime, ids and pages of `limit` items."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

CORE = "https://api.stacspec.org/v1.0.0/core"


def item_of(id: str, day: str, collection: str = "viirs", **properties: Any) -> dict[str, Any]:
    """An item of a day in ISO 8601, with one asset."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": id,
        "collection": collection,
        "geometry": None,
        "properties": {"datetime": f"{day}T00:00:00Z", "updated": f"{day}T12:00:00Z", **properties},
        "links": [],
        "assets": {"data": {"href": f"https://example.org/{id}.tif"}},
    }


@dataclass
class StacSite:
    """The API, and what was asked of it."""

    items: Sequence[Mapping[str, Any]]
    url: str = ""
    asked: list[str] = field(default_factory=list)
    most: int = 100
    """Items of a page, whatever is asked for."""

    def answer(self, target: str) -> Any:
        """The JSON of an address; None where there is nothing."""
        split = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        if split.path in ("/stac", "/stac/"):
            links = [{"rel": "search", "type": "application/geo+json", "href": f"{self.url}/search"}]
            about = {"type": "Catalog", "id": "site", "stac_version": "1.0.0", "description": "x"}
            return about | {"conformsTo": [CORE, f"{CORE.removesuffix('core')}item-search"], "links": links}
        if split.path == "/stac/search":
            return self._page(query)
        found = [one for one in self.items if split.path == f"/stac{_path(one)}"]
        return self._linked(found[0]) if found else None

    def _page(self, query: Mapping[str, str]) -> Any:
        found = [one for one in self.items if _wanted(one, query)]
        first, size = int(query.get("after", 0)), min(int(query.get("limit", 10)), self.most)
        links = []
        if first + size < len(found):
            following = {**query, "after": str(first + size)}
            links = [{"rel": "next", "method": "GET", "href": f"{self.url}/search?{urlencode(following)}"}]
        features = [self._linked(one) for one in found[first : first + size]]
        return {"type": "FeatureCollection", "features": features, "links": links}

    def _linked(self, item: Mapping[str, Any]) -> dict[str, Any]:
        return {**item, "links": [{"rel": "self", "href": f"{self.url}{_path(item)}"}]}


def _path(item: Mapping[str, Any]) -> str:
    return f"/collections/{item['collection']}/items/{quote(str(item['id']))}"


def _wanted(item: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    if "collections" in query and item["collection"] not in query["collections"].split(","):
        return False
    if "ids" in query and item["id"] not in query["ids"].split(","):
        return False
    first, _, last = query.get("datetime", "0/9").partition("/")
    moment = item["properties"]["datetime"]
    return bool(first <= moment <= (last or first))


@contextmanager
def stac_site(items: Sequence[Mapping[str, Any]], *, most: int = 100) -> Iterator[StacSite]:
    """Serve the items until the end of the block. They may be changed meanwhile."""
    site = StacSite(items, most=most)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.asked.append(self.path)
            found = site.answer(self.path)
            body = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/geo+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_address[1]}/stac"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)

"""Items, collections and pages with the links of this API in place of those of the bucket."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from pileus.api.stac.asked import Search
from pileus.client.local.items import ItemPage
from pileus.outputs.stac import VERSION

JSON, GEOJSON = "application/json", "application/geo+json"
CONFORMS = (
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/ogcapi-features#sort",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/item-search#sort",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
)
Json = dict[str, Any]


class Links:
    """Writes the links of an API whose addresses begin with `base`, as https://host."""

    def __init__(self, base: str) -> None:
        self._base, self.root = base, f"{base}/stac"

    def landing(self) -> Json:
        """Return the landing page. It names no collection: anybody may read it."""
        searches = [
            _link("search", f"{self.root}/search", GEOJSON, method=method, title="Search") for method in ("GET", "POST")
        ]
        return {
            "type": "Catalog",
            "stac_version": VERSION,
            "id": "pileus",
            "title": "Pileus",
            "description": "Zonal statistics of satellite archives: an item for each point in time and group.",
            "conformsTo": list(CONFORMS),
            "links": [
                _link("self", self.root),
                _link("root", self.root),
                _link("service-desc", f"{self._base}/api"),
                _link("conformance", f"{self.root}/conformance"),
                _link("data", f"{self.root}/collections"),
                *searches,
            ],
        }

    def collections(self, told: Sequence[Json]) -> Json:
        """Return the list of collections."""
        links = [_link("self", f"{self.root}/collections"), _link("root", self.root), _link("parent", self.root)]
        return {"collections": list(map(self.collection, told)), "links": links}

    def collection(self, told: Json) -> Json:
        """Return a collection with its links."""
        at = self.of_collection(told["id"])
        links = [
            _link("self", at),
            _link("root", self.root),
            _link("parent", self.root),
            _link("items", f"{at}/items", GEOJSON),
        ]
        return told | {"links": links}

    def item(self, told: Json) -> Json:
        """Return an item with links and assets that whoever reads it can follow with the same token."""
        parent = self.of_collection(told["collection"])
        at = f"{parent}/items/{quote(told['id'], safe='')}"
        links = [
            _link("self", at, GEOJSON),
            _link("root", self.root),
            _link("parent", parent),
            _link("collection", parent),
            *(link for link in told["links"] if link["rel"] == "derived_from"),
        ]
        assets = {
            name: asset | {"href": f"{at}/assets/{quote(name, safe='')}"} for name, asset in told["assets"].items()
        }
        return told | {"links": links, "assets": assets}

    def page(self, page: ItemPage, at: str, asked: Mapping[str, str]) -> Json:
        """Return a page of items. `at`: address that was asked, with the query parameters `asked`."""
        following = []
        if page.next:
            query = urlencode({**asked, "token": page.next})
            following = [_link("next", f"{at}?{query}", GEOJSON, method="GET")]
        here = f"{at}?{urlencode(asked)}" if asked else at
        return self._page(page, [_link("self", here, GEOJSON), *following])

    def posted_page(self, page: ItemPage, search: Search) -> Json:
        """Return a page of items that a search found; its next one is the same search with a token."""
        at, following = f"{self.root}/search", []
        if page.next:
            body = search.model_dump(exclude_none=True, exclude_unset=True) | {"token": page.next}
            following = [_link("next", at, GEOJSON, method="POST", body=body, merge=False)]
        return self._page(page, [_link("self", at, GEOJSON, method="POST"), *following])

    def of_collection(self, id: str) -> str:
        """Return the address of a collection."""
        return f"{self.root}/collections/{quote(id, safe='')}"

    def _page(self, page: ItemPage, links: Sequence[Json]) -> Json:
        return {
            "type": "FeatureCollection",
            "features": list(map(self.item, page.items)),
            "numberMatched": page.matched,
            "numberReturned": len(page.items),
            "links": [*links, _link("root", self.root)],
        }


def _link(rel: str, href: str, type: str = JSON, **more: Any) -> Json:
    return {"rel": rel, "href": href, "type": type, **more}

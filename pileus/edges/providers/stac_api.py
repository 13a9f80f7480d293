"""Item search of a STAC API: pystac-client asks and pages, over the connections of a provider.

So the provider's sign-in, its limits, its retries and its reach hold for every page.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pileus.download.fetch import open_stream
from pileus.download.source import Opener
from pileus.edges.providers.address import origin_of, shown
from pileus.errors import DocumentError, NotAListing, UsageError

if TYPE_CHECKING:
    from pystac_client.stac_api_io import StacApiIO

MISSING = "this needs pystac-client: install pileus[cirrus]"
LARGEST = 64 << 20
"""Most bytes of one page."""
PAGE = 100
"""Items that are asked for at once."""


class StacApi:
    """One API. `opener` reads its pages; `root` is the address of its landing page."""

    def __init__(self, opener: Opener, root: str) -> None:
        self._opener, self._root = opener, root.rstrip("/")
        self._search: str | None = None
        self._lock = threading.Lock()

    def search(self, wanted: Mapping[str, Any], *, most: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield the items that the API finds, as JSON, page after page. `wanted`: parameters of item search, such as
        `collections`, `datetime`, `bbox`, `ids`, `query`, `filter`; `most`: how many at most.

        Raises UsageError without the extra `cirrus`, DocumentError for a parameter that is wrong, NotAListing for an
        answer that is none, and what a transfer raises.
        """
        reading = _reader(self._opener)
        from pystac_client.item_search import DATETIME_REGEX, ItemSearch

        url = self._address()
        for one in str(wanted.get("datetime") or "..").split("/"):
            if one not in ("", "..") and not DATETIME_REGEX.match(one):  # the client's own error has no type
                raise DocumentError(f"datetime: {one[:60]!r} is no moment in ISO 8601", where=shown(url))
        try:
            asked = ItemSearch(url, method="GET", stac_io=reading, max_items=most, limit=PAGE, **wanted)
        except (ValueError, TypeError, KeyError) as exc:
            raise DocumentError(f"no item search can be asked so: {str(exc)[:200]}", where=shown(url)) from exc
        try:
            for item in asked.items_as_dicts():
                if not isinstance(item, dict) or not isinstance(item.get("id"), str):
                    raise NotAListing("an item of the answer has no id", where=shown(url))
                yield item
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise NotAListing(f"answered no item collection: {str(exc)[:200]}", where=shown(url)) from exc

    def url_of(self, item: Mapping[str, Any]) -> str:
        """Return the address of an item: its own, where that is at the API, else where APIs have it."""
        for link in item.get("links", ()):
            href = link.get("href") if isinstance(link, Mapping) and link.get("rel") == "self" else None
            if isinstance(href, str) and _same_origin(href, self._root):
                return href
        return f"{self._root}/collections/{_quoted(str(item.get('collection')))}/items/{_quoted(item['id'])}"

    def item(self, url: str) -> dict[str, Any]:
        """Return an item by its address. Raises NotAListing for an answer that is none, and what a transfer raises."""
        found = self._json(url)
        if not isinstance(found, dict) or not isinstance(found.get("id"), str):
            raise NotAListing("answered no STAC Item", where=shown(url))
        return found

    def _address(self) -> str:
        """Return where item search is asked for, as the landing page says."""
        with self._lock:
            if self._search is None:
                links = self._json(self._root).get("links", ())
                rows = [one for one in links if isinstance(one, Mapping) and one.get("rel") == "search"]
                found = [one["href"] for one in rows if one.get("method", "GET") == "GET" and "href" in one]
                if not found:
                    raise NotAListing("its landing page has no link to item search", where=shown(self._root))
                self._search = str(found[0])
            return self._search

    def _json(self, url: str) -> Any:
        try:
            found = json.loads(_read(self._opener, url))
        except ValueError as exc:
            raise NotAListing(f"answered no JSON: {exc}", where=shown(url)) from exc
        if not isinstance(found, dict):
            raise NotAListing("answered no JSON object", where=shown(url))
        return found


def _read(opener: Opener, url: str) -> str:
    with open_stream(url, opener) as stream:
        body = stream.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise NotAListing(f"a page has more than {LARGEST:,} bytes", where=shown(url))
    return body.decode("utf-8", "replace")


def _reader(opener: Opener) -> "StacApiIO":
    """Return what pystac-client reads through: the provider's connections in place of its own."""
    try:
        from pystac_client.stac_api_io import StacApiIO
    except ImportError as exc:
        raise UsageError(MISSING) from exc
    from requests import Request

    class Reader(StacApiIO):
        def request(
            self,
            href: str,
            method: str | None = None,
            headers: dict[str, str] | None = None,  # noqa: ARG002 - the provider document says what is sent
            parameters: dict[str, Any] | None = None,
        ) -> str:
            if (method or "GET").upper() != "GET":
                raise NotAListing(f"its next page is asked for by {method}, which Pileus does not", where=shown(href))
            return _read(opener, str(Request("GET", href, params=parameters or {}).prepare().url))

    return Reader()


def _same_origin(one: str, other: str) -> bool:
    try:
        return origin_of(one) == origin_of(other)
    except UsageError:
        return False


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")

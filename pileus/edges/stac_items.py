"""A catalogue of others: items go into a STAC API by its transaction extension."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

from pileus.edges.secrets import Secret
from pileus.errors import DocumentError, Unavailable

SECONDS = (5, 30)
"""To connect, and to wait for an answer."""
TRIES = 3
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Status codes after which the same request may succeed."""


class StacItems(Protocol):
    """Takes items."""

    def put(self, item: Mapping[str, Any]) -> None:
        """Add a STAC Item to its collection, or replace the one of its id. Raises DocumentError where it is refused,
        Unavailable where the catalogue cannot be reached.
        """


class NoStacItems:
    """Takes no items: no catalogue is named."""

    def put(self, item: Mapping[str, Any]) -> None:
        """Do nothing."""


class HttpStacItems:
    """A STAC API with the transaction extension."""

    def __init__(self, url: str, token: Callable[[], Secret | None] = lambda: None) -> None:
        """`url`: of its landing page. `token`: returns the bearer token, None where it wants none."""
        self._url, self._token = url.rstrip("/"), token

    def put(self, item: Mapping[str, Any]) -> None:
        id, collection = item.get("id"), item.get("collection")
        if not (isinstance(id, str) and id and isinstance(collection, str) and collection):
            raise DocumentError("an item without an id or a collection cannot be put into a catalogue", where=self._url)
        place = f"{self._url}/collections/{quote(collection, safe='')}/items"
        status, said = self._ask("POST", place, item)
        if status == 409:
            status, said = self._ask("PUT", f"{place}/{quote(id, safe='')}", item)
        if not 200 <= status < 300:
            raise DocumentError(f"refused item {id[:100]!r}: {status} {said[:200]}", where=place)

    def _ask(self, method: str, url: str, item: Mapping[str, Any]) -> tuple[int, str]:
        """Return the status and the text of an answer, after some tries."""
        import requests  # the first item pays for it

        headers = {"Content-Type": "application/geo+json"}
        if token := self._token():
            headers["Authorization"] = f"Bearer {token.reveal()}"
        body = json.dumps(item).encode()
        for left in reversed(range(TRIES)):
            try:
                answer = requests.request(
                    method, url, data=body, headers=headers, timeout=SECONDS, allow_redirects=False
                )
            except requests.RequestException as exc:
                why = f"cannot be reached: {type(exc).__name__}"
            else:
                if answer.status_code not in PASSING:
                    return answer.status_code, " ".join(answer.text.split())
                why = f"answered {answer.status_code}"
            if left:
                time.sleep(0.2 * (TRIES - left))
        raise Unavailable(why, where=url)


class KeptStacItems:
    """Items in a dictionary by collection and id, for work without a network."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Mapping[str, Any]] = {}

    def put(self, item: Mapping[str, Any]) -> None:
        self.kept[str(item.get("collection")), str(item.get("id"))] = item

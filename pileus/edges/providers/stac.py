"""Protocol stac: the items of a STAC API in place of files.

A path is `COLLECTIONS?PARAMETERS`: names of collections, joined by commas, and parameters of item search, such as
`viirs-monthly?datetime=2015-01&bbox=68,6,98,36`. An item's name is its id, and its bytes are its JSON.
"""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

from pileus.documents import Provider
from pileus.download.source import Limits, Response
from pileus.edges.connections import Connections
from pileus.edges.providers.address import base_of
from pileus.edges.providers.http import HttpEdge
from pileus.edges.providers.stac_api import StacApi
from pileus.edges.secrets import Secrets
from pileus.errors import DocumentError
from pileus.models import Listed, Problem, listed

LISTS = ("ids",)
NUMBERS = ("bbox",)
TEXTS = ("datetime", "filter")
EXPECTED = ", ".join((*LISTS, *NUMBERS, *TEXTS))


class StacEdge:
    """A ProviderEdge over item search. `host` is the API's landing page; without a scheme it is at https."""

    def __init__(self, provider: Provider, secrets: Secrets, connections: Connections) -> None:
        host = provider.host if "://" in provider.host else f"https://{provider.host}"
        scheme = host.partition("://")[0]
        self._http = HttpEdge(provider.model_copy(update={"protocol": scheme, "host": host}), secrets, connections)
        base = base_of(provider.model_copy(update={"protocol": scheme, "host": host}))
        self._api = StacApi(self._http, base.url(base.path))
        self.limits: Limits = self._http.limits

    def now(self) -> float:
        return self._http.now()

    def list(self, path: str) -> Iterator[Listed | Problem]:
        """See Lister. Raises DocumentError for a path that is none."""
        for item in self._api.search(wanted_of(path)):
            told = item.get("properties")
            changed = told.get("updated") or told.get("created") if isinstance(told, dict) else None
            yield listed(item["id"], self._api.url_of(item), _size(item), changed if isinstance(changed, str) else None)

    def describe(self, file: Listed) -> Listed:
        """See Lister. An item tells no more than its listing."""
        return file

    def item(self, url: str) -> dict[str, Any]:
        """Return a listed item as JSON."""
        return self._api.item(url)

    def open(
        self, url: str, offset: int = 0, validator: str | None = None, *, pulse: Callable[[], None] | None = None
    ) -> Response:
        """See Opener."""
        return self._http.open(url, offset, validator, pulse=pulse)

    def rest(self) -> None:
        """See Opener."""
        self._http.rest()

    def close(self) -> None:
        """See ProviderEdge."""
        self._http.close()


def wanted_of(path: str) -> dict[str, Any]:
    """Return the parameters of item search of a path. Raises DocumentError for one that it has not.

    >>> wanted_of("viirs,modis?datetime=2015-01&bbox=1,2,3,4.5")
    {'collections': ['viirs', 'modis'], 'datetime': '2015-01', 'bbox': [1.0, 2.0, 3.0, 4.5]}
    """
    names, _, query = path.strip("/").partition("?")
    found: dict[str, Any] = {"collections": names.split(",")} if names else {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in (*LISTS, *NUMBERS, *TEXTS):
            raise DocumentError(f"provider_path: unknown parameter {name[:60]!r}: expected {EXPECTED}")
        try:
            found[name] = text.split(",") if name in LISTS else _numbers(text) if name in NUMBERS else text
        except ValueError as exc:
            raise DocumentError(f"provider_path: {name}={text[:60]!r}: expected numbers and commas") from exc
    return found


def _numbers(text: str) -> list[float]:
    return [float(one) for one in text.split(",")]


def _size(item: dict[str, Any]) -> int | None:
    """Return the bytes of the item's assets, where it tells those of all."""
    assets = item.get("assets")
    told = [one for one in assets.values() if isinstance(one, dict)] if isinstance(assets, dict) else []
    sizes = [one["file:size"] for one in told if isinstance(one.get("file:size"), int)]
    return sum(sizes) if told and len(sizes) == len(told) else None

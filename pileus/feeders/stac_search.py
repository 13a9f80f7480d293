"""stac-search: a payload for each item that a STAC API finds."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from pileus.edges.providers import connect
from pileus.edges.providers.by_url import provider_of
from pileus.edges.providers.stac_api import StacApi
from pileus.edges.secrets import Secrets
from pileus.errors import UsageError


def stac_search(
    url: str,
    process: list[Any],
    collections: list[str] | None = None,
    datetime: str | None = None,
    bbox: list[float] | None = None,
    intersects: dict[str, Any] | None = None,
    ids: list[str] | None = None,
    query: dict[str, Any] | None = None,
    filter: str | None = None,
    limit: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield a payload for each item that a STAC API finds.

    `url`: the API's landing page, which needs no sign-in; `process`: the payload's list of processes; `datetime`: a
    moment or an interval, such as `2015-01` or `2015-01-01/2015-03-31`; `filter`: CQL2 text; `limit`: most items.
    """
    if not url.startswith(("http://", "https://")):
        raise UsageError("expected the http address of a STAC API", where=url[:200])
    wanted = {
        "collections": collections,
        "datetime": datetime,
        "bbox": bbox,
        "intersects": intersects,
        "ids": ids,
        "query": query,
        "filter": filter,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    with closing(connect(provider_of(url, "stac-search"), secrets=Secrets(environ={}))) as edge:
        for item in StacApi(edge, url).search(given, most=limit):
            yield {"type": "FeatureCollection", "features": [item], "process": process}

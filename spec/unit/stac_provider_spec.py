"""The protocol stac: items in place of files."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from pileus.discover import discover
from pileus.documents import File, Provider, parse_value
from pileus.edges.providers import ProviderEdge, connect
from pileus.edges.providers.stac import StacEdge, wanted_of
from pileus.edges.secrets import Secrets
from pileus.errors import DocumentError, NotAListing, NotFound
from pileus.models import Granule, Listed, Problem
from spec.support.stac_site import StacSite, item_of, stac_site

SIZED = item_of("a_1", "2015-01-01") | {"assets": {"x": {"href": "h", "file:size": 3}, "y": {"file:size": 4}}}


@pytest.fixture
def site() -> Iterator[StacSite]:
    with stac_site(
        [SIZED, item_of("b_2", "2015-01-31"), item_of("a/b", "2015-01-02"), item_of("c", "2015-02-01")]
    ) as s:
        yield s


def edge_of(host: str) -> ProviderEdge:
    document = parse_value(Provider, {"id": "site", "protocol": "stac", "host": host, "attempts": 1}, "site")
    return connect(document, secrets=Secrets(environ={}))


def listed(site: StacSite, path: str) -> list[Listed | Problem]:
    with closing(edge_of(site.url)) as edge:
        return list(edge.list(path))


def test_items_of_a_month_are_listed_by_their_ids(site: StacSite) -> None:
    """With the bytes of all assets where each tells its own, and the time of their last change."""
    first, second, third = listed(site, "viirs?datetime=2015-01")
    assert isinstance(first, Listed)
    assert (first.name, first.size, first.modified) == ("a_1", 7, "2015-01-01T12:00:00Z")
    assert first.url == f"{site.url}/collections/viirs/items/a_1"
    assert isinstance(second, Listed)
    assert (second.name, second.size) == ("b_2", None)
    assert third == Problem("unsafe", "'a/b'", "set aside: holds a slash")
    assert listed(site, "modis?datetime=2015-01") == []


def test_the_bytes_of_an_item_are_its_json(site: StacSite) -> None:
    with closing(edge_of(site.url)) as edge:
        (found,) = discover(edge, "viirs?ids=b_2", [File(regex="(?P<tile>[a-z])_[0-9]")])
        assert isinstance(found, Granule)
        assert found.parts == {"tile": "b"}
        with closing(edge.open(found.file.url)) as body:
            read = bytearray(10_000)
            assert json.loads(read[: body.readinto(memoryview(read)) or 0])["id"] == "b_2"
        assert isinstance(edge, StacEdge)
        assert edge.item(found.file.url)["properties"]["datetime"] == "2015-01-31T00:00:00Z"
        with pytest.raises(NotFound):
            edge.item(f"{site.url}/collections/viirs/items/gone")


def test_a_link_to_itself_at_another_host_is_not_followed(site: StacSite) -> None:
    """Items of some APIs name another host, for which no sign-in is meant."""
    far: dict[str, Any] = item_of("b_2", "2015-01-31")
    with closing(edge_of(site.url)) as edge:
        assert isinstance(edge, StacEdge)
        for href in ("https://elsewhere.org/b_2", "file:///etc/passwd"):
            url = edge._api.url_of(far | {"links": [{"rel": "self", "href": href}]})
            assert url == f"{site.url}/collections/viirs/items/b_2"


@pytest.mark.parametrize(
    ("path", "why"),
    [("viirs?bbx=1", "unknown parameter 'bbx': expected ids, bbox"), ("?bbox=1,x", "bbox='1,x': expected numbers")],
)
def test_a_path_that_is_no_search_is_refused(path: str, why: str) -> None:
    with pytest.raises(DocumentError, match=why):
        wanted_of(path)


def test_a_host_may_be_bare_or_an_address_by_http_and_no_other() -> None:
    for host in ("x.org/v1", "https://x.org/v1", "http://x.org"):
        edge_of(host).close()
    with pytest.raises(DocumentError, match="host: begins with ftp:// but protocol is stac"):
        edge_of("ftp://x.org")


def test_an_answer_that_is_no_item_collection_is_said(site: StacSite) -> None:
    site.items = [{"collection": "viirs", "id": 7, "properties": {"datetime": "2015-01-01T00:00:00Z"}}]
    with pytest.raises(NotAListing, match="an item of the answer has no id"):
        listed(site, "viirs")

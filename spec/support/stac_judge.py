"""stac-api-validator without a network: core schemas from the copy that pystac carries, and nothing from elsewhere.

The schemas of extensions are only on the web; items are checked against the core alone.
"""

import json
import socket
from pathlib import Path
from typing import Any

import pystac.validation
import pytest

CARRIED = Path(pystac.validation.__file__).parent / "jsonschemas"
NAMES = {"https://schemas.stacspec.org/v1.1.0/": "stac-spec/v1.1.0", "https://geojson.org/schema/": "geojson"}


def schema(address: str) -> Any:
    """The schema at an address of the web."""
    for prefix, folder in NAMES.items():
        if address.startswith(prefix):
            return json.loads((CARRIED / folder / address.rpartition("/")[2]).read_text())
    if address.startswith("https://stac-extensions.github.io/"):
        return {}
    raise AssertionError(f"the validator wants {address}")


def offline(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the validator find its schemas here. Returns the hosts it asks for all the same, which it would not tell."""
    from stac_validator import utilities

    asked: list[str] = []
    resolve = socket.getaddrinfo

    def here(host: Any, *arguments: Any, **named: Any) -> Any:
        if host not in ("127.0.0.1", "localhost"):
            # The checker's own idea of a file:// link: it puts the server's address before its end.
            asked.extend([str(host)] if not str(host).startswith("127.0.0.1:") else [])
            raise OSError(f"specs ask no host but this one: {host}")
        return resolve(host, *arguments, **named)

    def carried(address: str) -> Any:
        return schema(address) if address.startswith("http") else json.loads(Path(address).read_text())

    monkeypatch.setattr(socket, "getaddrinfo", here)
    monkeypatch.setattr(utilities, "_schema_cache", carried)
    return asked


def judged(monkeypatch: pytest.MonkeyPatch, root: str, token: str, collection: str, geometry: Any) -> list[str]:
    """What the validator finds wrong with an API, and the hosts that it could not ask."""
    asked = offline(monkeypatch)
    from stac_api_validator.validations import QueryConfig, validate_api

    nothing = QueryConfig(*[None] * 13)
    _, errors = validate_api(
        root_url=root,
        ccs_to_validate=["core", "collections", "features", "item-search"],
        collection=collection,
        geometry=json.dumps(geometry),
        auth_bearer_token=token,
        auth_query_parameter=None,
        fields_nested_property=None,
        validate_pagination=True,
        query_config=nothing,
        transaction_collection=None,
        headers={},
    )
    return [*errors.as_list(), *(f"asked {host}" for host in asked)]

"""The ids of payloads that bring none, and the names of their executions."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from pileus.errors import DocumentError
from pileus.subject import PayloadId


def derive_id(items: Sequence[Mapping[str, Any]], workflow: str, collections: str | None = None) -> PayloadId:
    """Return the id that a payload without one has. `items`: STAC Items, of which only `id` and `collection` are read;
    `collections`: in place of those of the items.

    Raises DocumentError where there is no item, or one without an id.

    >>> items = [{"id": "b", "collection": "viirs"}, {"id": "a", "collection": "modis"}]
    >>> str(derive_id(items, "publish")), str(derive_id(items, "publish", "lights"))
    ('modis/viirs/workflow-publish/a/b', 'lights/workflow-publish/a/b')
    """
    if not items:
        raise DocumentError("id: required where there are no features to derive it from")
    for number, item in enumerate(items):
        for name, needed in (("id", True), ("collection", False)):
            value = item.get(name)
            if not isinstance(value, str) and (needed or value is not None):
                said = "required, and missing" if value is None else "expected a text"
                raise DocumentError(f"features[{number}].{name}: {said}")
    if collections is None:
        found = {item["collection"] for item in items if item.get("collection")}
        collections = "/".join(sorted(found)) or "none"
    return PayloadId(f"{collections}_{workflow}", "/".join(sorted(item["id"] for item in items)))


def execution_name(payload: PayloadId, executions: Sequence[str] = ()) -> str:
    """Return the name of a payload's next execution, as Cirrus forms it. `executions`: ARNs of those before, the oldest
    first. Whoever starts at the same time starts the same execution.

    >>> execution_name(PayloadId.of("viirs/workflow-publish/a"))
    'bc30d58e-3352-501d-856d-8b9c178c19bd'
    """
    return str(uuid5(NAMESPACE_URL, f"{payload}/{list(executions)}"))

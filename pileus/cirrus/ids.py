"""Ids of payloads, `{collections}/workflow-{workflow}/{itemids}`, and what is named after them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import NAMESPACE_URL, uuid5

from pileus.errors import DocumentError

FORM = re.compile(r"(?P<collections>.+?)/workflow-(?P<workflow>[^/]+)/(?P<itemids>.+)")
"""The first `/workflow-` counts, so that the parts of an id name it and no other."""
EXPECTED = "expected {collections}/workflow-{workflow}/{itemids}"
LONGEST = 950
"""Bytes of an id in UTF-8: with its folder, the execution's name and `output.json` it is a key of S3, of 1024."""


@dataclass(frozen=True, slots=True, order=True)
class PayloadId:
    """What a payload is about: of which items and by which workflow. `str` and `parse` are inverses."""

    collections: str
    """Names of collections, joined by slashes; `none` where no item has one."""
    workflow: str
    itemids: str
    """Ids of items, sorted and joined by slashes."""

    def __post_init__(self) -> None:
        text = str(self)
        if (found := FORM.fullmatch(text)) is None or found["collections"] != self.collections:
            raise DocumentError(f"id {text[:200]!r}: {EXPECTED}, where neither of the first two holds /workflow-")
        if not text.isprintable():
            raise DocumentError(f"id {text[:200]!r}: holds a character that cannot be printed")
        if {".", ".."} & set(text.split("/")):
            raise DocumentError(f"id {text[:200]!r}: a part between slashes is a dot or two, which no address can have")
        if (size := len(text.encode())) > LONGEST:
            raise DocumentError(f"id {text[:60]!r}...: has {size:,} bytes, and {LONGEST} are the most")

    def __str__(self) -> str:
        return f"{self.collections}/workflow-{self.workflow}/{self.itemids}"

    @property
    def scope(self) -> str:
        """Return the hash key of Cirrus's table, `collections_workflow`.

        >>> PayloadId.parse("viirs/workflow-publish/a/b").scope
        'viirs_publish'
        """
        return f"{self.collections}_{self.workflow}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return an id of its text. Raises DocumentError for anything that is none.

        >>> PayloadId.parse("viirs/modis/workflow-publish/a/b")
        PayloadId(collections='viirs/modis', workflow='publish', itemids='a/b')
        """
        found = FORM.fullmatch(text)
        if found is None:
            raise DocumentError(f"id {text[:200]!r}: {EXPECTED}")
        return cls(**found.groupdict())

    @classmethod
    def of_key(cls, scope: str, itemids: str) -> Self:
        """Return the id of a row of Cirrus's table: no workflow has an underscore. Raises DocumentError.

        >>> str(PayloadId.of_key("black_marble_publish", "a"))
        'black_marble/workflow-publish/a'
        """
        collections, _, workflow = scope.rpartition("_")
        return cls(collections, workflow, itemids)


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
    return PayloadId(collections, workflow, "/".join(sorted(item["id"] for item in items)))


def execution_name(payload: PayloadId, executions: Sequence[str] = ()) -> str:
    """Return the name of a payload's next execution, as Cirrus forms it. `executions`: ARNs of those before, the oldest
    first. Whoever starts at the same time starts the same execution.

    >>> execution_name(PayloadId.parse("viirs/workflow-publish/a"))
    'bc30d58e-3352-501d-856d-8b9c178c19bd'
    """
    return str(uuid5(NAMESPACE_URL, f"{payload}/{list(executions)}"))

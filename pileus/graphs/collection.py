"""A populated collection as an input: `collection:NAME?band=BAND&version=VERSION`, its statistics; and with
`&what=rasters` its rasters, of the points in time from `from=` to `to=`, and of the group `group=`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from pileus.errors import DocumentError
from pileus.near import unknown

SCHEME = "collection:"
KINDS = {
    "statistics": ("what", "band", "version"),
    "rasters": ("what", "band", "version", "from", "to", "group"),
}
"""What can be read of a collection, and the words of each."""


@dataclass(frozen=True, slots=True)
class OfCollection:
    """What is read of a collection."""

    collection: str
    query: Mapping[str, str]

    @classmethod
    def of(cls, uri: str) -> "OfCollection | None":
        """Return what an address names; None for one of another form. Raises DocumentError for a wrong one.

        >>> OfCollection.of("collection://lights?band=rad")
        OfCollection(collection='lights', query={'band': 'rad'})
        """
        if not uri.startswith(SCHEME):
            return None
        name, _, query = uri.removeprefix(SCHEME).removeprefix("//").partition("?")
        try:
            found = dict(parse_qsl(query, strict_parsing=bool(query)))
        except ValueError as exc:
            raise DocumentError(f"{uri[:80]!r}: expected collection:NAME?band=BAND") from exc
        if not name or "/" in name:
            raise DocumentError(f"{uri[:80]!r}: expected collection:NAME")
        kind = found.get("what", "statistics")
        if kind not in KINDS:
            raise DocumentError(f"{uri[:80]!r}: what: {unknown('kind', kind, KINDS)}")
        if wrong := [one for one in found if one not in KINDS[kind]]:
            raise DocumentError(f"{uri[:80]!r}: {unknown('word', wrong[0], KINDS[kind])}")
        return cls(name, found)

    @property
    def rasters(self) -> bool:
        """Return whether its rasters are read, and not its statistics."""
        return self.query.get("what") == "rasters"

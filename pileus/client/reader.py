"""Outputs of a collection as objects that other code reads by their address."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pileus.errors import NotFound, Unknown

if TYPE_CHECKING:
    from pileus.client.protocol import Outputs


@dataclass(frozen=True)
class OutputReader:
    """Gives the objects of one collection."""

    outputs: "Outputs"
    collection: str

    def get(self, url: str) -> bytes:
        """Return the object's bytes. Raises NotFound when there is none."""
        try:
            return self.outputs.body(self.collection, url)
        except Unknown as exc:
            raise NotFound(exc.message, where=url) from exc

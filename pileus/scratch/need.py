"""How much of the scratch volume a group needs, from the groups that are done."""

import json
from dataclasses import dataclass

from pileus import keys
from pileus.models import Group, safe
from pileus.wiring import Edges

LEARN = 10
"""Manifests that are learnt from."""
UNKNOWN_FACTOR = 1.5
"""Bytes on the volume per byte downloaded while no group of a collection has been done."""
MARGIN = 1.1
"""Margin over the largest scratch use seen."""


@dataclass
class Need:
    """What the groups of one collection need on the volume, learnt from those that were done."""

    factor: float | None = None
    """Most bytes on the volume at once per byte downloaded, the largest seen; None before the first."""
    largest: int = 0
    """Bytes downloaded of the largest group seen."""

    def saw(self, downloaded: int, scratch: int) -> None:
        """Learn from a group that is done: its bytes downloaded, and its most bytes on the volume at once."""
        if downloaded > 0:
            self.factor = max(self.factor or 0, scratch / downloaded)
            self.largest = max(self.largest, downloaded)

    def of(self, group: Group) -> int:
        """Bytes to reserve for a group. Where a size was not listed, the largest group seen stands for it.

        >>> from pileus.models import Granule, Listed
        >>> need = Need()
        >>> need.saw(100, 130)
        >>> group = Group("g", (Granule(Listed("a", "http://x/a", size=1000), {}),))
        >>> round(1000 * 1.3 * MARGIN) == need.of(group)
        True
        """
        known = all(granule.file.size is not None for granule in group.granules)
        downloads = group.size if known else max(group.size, self.largest)
        return round(downloads * (UNKNOWN_FACTOR if self.factor is None else self.factor * MARGIN))


def learnt(edges: Edges, collection: str) -> Need:
    """Return the need of a collection, from the manifests of its latest periods. A damaged manifest is left out."""
    need = Need()
    urls = [url for url, _ in edges.store.list(edges.protected(f"{keys.MANIFESTS}/{safe(collection)}/"))]
    for url in urls[-LEARN:]:
        try:
            manifest = json.loads(edges.store.get(url))
            need.saw(manifest["bytes_downloaded"], manifest["scratch_bytes"])
        except (ValueError, KeyError, TypeError):
            continue
    return need

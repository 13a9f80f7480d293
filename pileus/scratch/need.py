"""Which groups need the scratch volume, and how much of it, from the groups that are done.

A group of archives that can be read from front to back is measured while it arrives. Nothing of it is on the volume but
what a raster in it needs that cannot be read so.
"""

import json
from dataclasses import dataclass

from pileus import keys
from pileus.documents import Meta
from pileus.models import Group, safe
from pileus.unpack.members import FORWARD
from pileus.wiring import Edges

LEARN = 10
"""Manifests that are learnt from."""
UNKNOWN_FACTOR = 0.5
"""Bytes on the volume per byte downloaded, beside the files, while no group of a collection has been done."""
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

    def of(self, group: Group, *, files: bool = True) -> int:
        """Return the bytes to reserve for a group; `files`: whether its files are written to the volume. Where a size
        was not listed, the largest group seen stands for it.

        >>> from pileus.models import Granule, Listed
        >>> group = Group("g", (Granule(Listed("a", "http://x/a", size=1000), {}),))
        >>> Need().of(group), Need().of(group, files=False)
        (1500, 500)
        >>> need = Need()
        >>> need.saw(100, 130)
        >>> round(1000 * 1.3 * MARGIN) == need.of(group)
        True
        """
        known = all(granule.file.size is not None for granule in group.granules)
        downloads = group.size if known else max(group.size, self.largest)
        least = 1.0 if files else 0.0
        return round(downloads * (least + UNKNOWN_FACTOR if self.factor is None else max(least, self.factor) * MARGIN))


def needs_files(group: Group, meta: Meta) -> bool:
    """Return whether a group's files must be whole on the volume: they are kept, or a task, gippy or the format of the
    files asks for it.
    """
    rules = meta.process
    if rules is None or rules.read == "files" or rules.archive or rules.engine == "gippy" or meta.task is not None:
        return True
    return not all(granule.file.name.lower().endswith(FORWARD) for granule in group.granules)


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

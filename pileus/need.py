"""What groups of a collection need of the scratch volume, learnt from the manifests of its latest periods."""

import json

from pileus.disk import Need
from pileus.models import safe
from pileus.outputs import places
from pileus.wiring import Edges

LEARN = 10
"""Manifests that are learnt from."""


def learnt(edges: Edges, collection: str) -> Need:
    """A manifest that cannot be read teaches nothing: `pileus reconcile` finds it."""
    need = Need()
    urls = [url for url, _ in edges.store.list(edges.protected(f"{places.MANIFESTS}/{safe(collection)}/"))]
    for url in urls[-LEARN:]:
        try:
            manifest = json.loads(edges.store.get(url))
            need.saw(manifest["bytes_downloaded"], manifest["scratch_bytes"])
        except (ValueError, KeyError, TypeError):
            continue
    return need

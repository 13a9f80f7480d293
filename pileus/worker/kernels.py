"""Compiled kernels that an image brings: copied to the scratch volume, as numba keeps nothing where it cannot write."""

import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path


def bring(environ: Mapping[str, str]) -> bool:
    """Copy the folder PILEUS_KERNELS to NUMBA_CACHE_DIR, unless it is there. Called before numba is imported.

    Workers that share the volume may all try: one of them wins, with the same files.
    """
    source, target = Path(environ.get("PILEUS_KERNELS", "")), Path(environ.get("NUMBA_CACHE_DIR", ""))
    if not environ.get("PILEUS_KERNELS") or not environ.get("NUMBA_CACHE_DIR"):
        return False
    if not source.is_dir() or target.exists():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}-{uuid.uuid4().hex[:8]}")
    shutil.copytree(source, part)
    try:
        part.rename(target)
    except OSError:
        shutil.rmtree(part)
        return False
    return True

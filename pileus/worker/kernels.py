"""Compiled kernels of an image: copied to the scratch volume, because numba caches only where it can write."""

import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path


def bring(environ: Mapping[str, str]) -> bool:
    """Copy the folder PILEUS_KERNELS to NUMBA_CACHE_DIR. Return False when there is nothing to copy or it is there.

    Call it before numba is imported. Several workers of one volume may copy at once: one rename wins, with the same
    files.
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

"""Files that somebody has uploaded to a node, by the hash of their bytes."""

import hashlib
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from pileus.errors import DocumentError, NoSpace, UsageError
from pileus.nodes.addresses import VALUE
from pileus.raster.signatures import HDF5
from pileus.stratus.request import Input

LARGEST = 4 << 30
"""Bytes of an uploaded file."""
KEPT_SECONDS = 24 * 3600
"""How long a file is kept that no request names."""
BLOCK = 1 << 20


class Uploads:
    """The uploaded files of a folder. Safe in several threads at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for left in folder.glob(".*"):
            left.unlink()

    def keep(self, content: BinaryIO) -> str:
        """Keep a file, and return its address. Raises UsageError for what is no NetCDF4 or is too large, NoSpace."""
        temporary, sha256, size = self._folder / f".{uuid4().hex}", hashlib.sha256(), 0
        try:
            with temporary.open("wb") as file:
                while block := content.read(BLOCK):
                    if not size and not block.startswith(HDF5):
                        raise UsageError("expected a NetCDF4 file")
                    size += len(block)
                    if size > LARGEST:
                        raise UsageError(f"a file may have {LARGEST:,} bytes")
                    sha256.update(block)
                    file.write(block)
                if not size:
                    raise UsageError("expected a NetCDF4 file, and there is nothing")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._folder / f"{sha256.hexdigest()}.nc")
        except OSError as exc:
            raise NoSpace(f"the file cannot be kept: {exc.strerror}") from exc
        finally:
            temporary.unlink(missing_ok=True)
        return f"value:{sha256.hexdigest()}"

    def file(self, one: Input) -> Path:
        """Return the file of an input. Raises DocumentError where it is not here."""
        found = VALUE.fullmatch(one.uri)
        path = self._folder / f"{found[1] if found else ''}.nc"
        if not path.is_file():
            raise DocumentError(f"input {one.id}: uri: no file of this name was uploaded, or it was deleted")
        return path

    def sweep(self, named: Collection[str]) -> None:
        """Delete the files that have lain here for a day. `named`: addresses that requests name; those stay."""
        for path in self._folder.glob("*.nc"):
            old = time.time() - path.stat().st_mtime > KEPT_SECONDS
            if old and f"value:{path.stem}" not in named:
                path.unlink(missing_ok=True)

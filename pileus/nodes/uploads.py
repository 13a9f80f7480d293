"""Files that somebody has uploaded to a node, by the hash of their bytes."""

import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from pileus.errors import DocumentError, NoSpace
from pileus.stratus.request import Input
from pileus.stratus.uploaded import SCHEME, copy_netcdf, value_of

LARGEST = 4 << 30
"""Bytes of an uploaded file."""
KEPT_SECONDS = 24 * 3600
"""How long a file is kept that no request names."""


class Uploads:
    """The uploaded files of a folder. Safe in several threads at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for left in folder.glob(".*"):
            left.unlink()

    def keep(self, content: BinaryIO) -> str:
        """Keep a file, and return its address. Raises UsageError for what is no NetCDF4 or is too large, NoSpace."""
        temporary = self._folder / f".{uuid4().hex}"
        try:
            with temporary.open("wb") as file:
                sha256 = copy_netcdf(content, file, LARGEST, f"a file may have {LARGEST:,} bytes")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._folder / f"{sha256}.nc")
        except OSError as exc:
            raise NoSpace(f"the file cannot be kept: {exc.strerror}") from exc
        finally:
            temporary.unlink(missing_ok=True)
        return f"{SCHEME}{sha256}"

    def file(self, one: Input) -> Path:
        """Return the file of an input. Raises DocumentError where it is not here."""
        path = self._folder / f"{value_of(one.uri) or ''}.nc"
        if not path.is_file():
            raise DocumentError(f"input {one.id}: uri: no file of this name was uploaded, or it was deleted")
        return path

    def sweep(self, named: Collection[str]) -> None:
        """Delete the files that have lain here for a day. `named`: addresses that requests name; those stay."""
        for path in self._folder.glob("*.nc"):
            old = time.time() - path.stat().st_mtime > KEPT_SECONDS
            if old and f"{SCHEME}{path.stem}" not in named:
                path.unlink(missing_ok=True)

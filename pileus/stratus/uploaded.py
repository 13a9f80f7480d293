"""Files that somebody uploads, and the addresses `value:SHA256` by which inputs name them."""

import hashlib
import re
from typing import IO, BinaryIO

from pileus.errors import DocumentError, UsageError
from pileus.raster.signatures import HDF5
from pileus.stratus.request import Input

SCHEME = "value:"
BLOCK = 1 << 20
_VALUE = re.compile(r"value:([0-9a-f]{64})")


def value_of(uri: str) -> str | None:
    """Return the SHA-256 of an uploaded file's address; None for any other.

    >>> value_of("value:" + "0" * 64) == "0" * 64, value_of("value:x")
    (True, None)
    """
    found = _VALUE.fullmatch(uri)
    return found[1] if found else None


def is_value(one: Input) -> bool:
    """Return whether an input is an uploaded file. Raises DocumentError for an address that begins like one of them."""
    if not one.uri.startswith(SCHEME):
        return False
    if value_of(one.uri) is None:
        raise DocumentError(f"input {one.id}: uri: expected value: and 64 hexadecimal digits")
    return True


def copy_netcdf(content: BinaryIO, file: IO[bytes], most: int, too_long: str) -> str:
    """Copy a NetCDF4 file, and return its SHA-256. Raises UsageError for any other file, and (`too_long`) for one of
    more than `most` bytes.
    """
    digest, size = hashlib.sha256(), 0
    while block := content.read(BLOCK):
        if not size and not block.startswith(HDF5):
            raise UsageError("expected a NetCDF4 file")
        size += len(block)
        if size > most:
            raise UsageError(too_long)
        digest.update(block)
        file.write(block)
    if not size:
        raise UsageError("expected a NetCDF4 file, not nothing")
    return digest.hexdigest()

"""What a file of zones is, told by its first bytes before a library sees it.

Some of GDAL's vector formats name other files and services to read. What begins like one of them, or holds one in a
zip, is refused.
"""

import io
import zipfile
from pathlib import Path, PurePosixPath

from pileus.errors import ZonesError

HEAD = 4096
"""Bytes that are looked at: more than any driver looks at to tell its files."""
STARTS = {
    "GeoJSON": b"{",
    "GeoPackage": b"SQLite format 3\0",
    "Shapefile": b"\0\0\x27\x0a",
    "FlatGeobuf": b"fgb\x03fgb",
    "Parquet": b"PAR1",
}
BESIDE = (".shx", ".dbf", ".prj", ".cpg", ".sbn", ".sbx", ".qix", ".qpj", ".xml")
"""Endings of the files that go with a Shapefile."""
ZIP = b"PK\x03\x04"
MEMBERS = 100


def check(source: Path | bytes, where: str) -> None:
    """Raise ZonesError for a file that is of none of these formats, or a zip of anything else."""
    head = _head(source, where)
    if head.startswith(ZIP):
        _check_zip(io.BytesIO(source) if isinstance(source, bytes) else source, where)
    else:
        _check_head(head, where)


def _head(source: Path | bytes, where: str) -> bytes:
    if isinstance(source, bytes):
        return source[:HEAD]
    try:
        with source.open("rb") as file:
            return file.read(HEAD)
    except OSError as exc:
        raise ZonesError(f"cannot be read: {exc.strerror}", where=where) from exc


def _check_head(head: bytes, where: str) -> None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    known = text.startswith(b"{") or any(head.startswith(start) for start in STARTS.values())
    # Drivers look for their mark anywhere before the first zero byte.
    if not known or b"<OGR" in head.partition(b"\0")[0]:
        expected = ", ".join(STARTS)
        raise ZonesError(f"cannot be read as zones: expected {expected}, or a zip of a Shapefile", where=where)


def _check_zip(file: io.BytesIO | Path, where: str) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > MEMBERS:
                raise ZonesError(f"holds {len(members)} files: expected one Shapefile", where=where)
            for member in members:
                beside = PurePosixPath(member.filename).suffix.lower() in BESIDE
                with archive.open(member) as stream:
                    head = stream.read(HEAD)
                if beside and b"<OGR" not in head:
                    continue
                _check_head(head, f"{where}: {member.filename}")
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as exc:
        raise ZonesError(f"is not a sound zip: {exc}", where=where) from exc

"""The folder with a Lambda's code: downloaded and unpacked once for each version, under the rules of all archives."""

import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from pileus.edges.functions import FunctionCode
from pileus.errors import ArchiveError, UsageError
from pileus.unpack.member import Member, UnpackLimits
from pileus.unpack.members import members

LIMITS = UnpackLimits(members=60_000, unpacked=1 << 30)
"""Lambda unpacks a quarter of a GiB."""
CHUNK = 1 << 20
MODE = 0o755
"""Of every file: a zip of code may hold programs."""


def code_folder(cache: Path, code: FunctionCode, download: Callable[[FunctionCode, Path], None]) -> Path:
    """Return the folder of a function's code in `cache`, made where there is none yet.

    Its name is the zip's SHA-256, so another version has another folder; a half folder never has that name. Raises
    ArchiveError for a zip with a link, a path that leaves the folder, two files of one name, or more than a Lambda may
    have; UsageError where the folder cannot be made; and what `download` raises.
    """
    folder = cache / code.sha256
    if folder.is_dir():
        return folder
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise UsageError(f"no folder can be made for unpacked code: {exc.strerror}", where=str(cache)) from exc
    with TemporaryDirectory(dir=cache, prefix=".new-") as made:
        zipped, fresh = Path(made) / "code.zip", Path(made) / "code"
        download(code, zipped)
        unpack(zipped, fresh, code.arn)
        try:
            fresh.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another worker was first
                raise
    return folder


def unpack(zipped: Path, folder: Path, where: str) -> None:
    """Write the files of a zip below a new folder. Raises ArchiveError."""
    folder.mkdir()
    with zipped.open("rb") as file, members(file, where, limits=LIMITS) as found:
        try:
            for member in found:
                _write(member, folder)
        except OSError as exc:
            shutil.rmtree(folder, ignore_errors=True)
            raise ArchiveError(f"cannot be unpacked: {exc.strerror}", where=where) from exc


def _write(member: Member, folder: Path) -> None:
    """Write one file; its name was checked and stays below the folder."""
    path = folder.joinpath(*PurePosixPath(member.name).parts)
    if folder not in path.parents:
        raise ArchiveError("leaves the folder: refused", where=member.where)
    path.parent.mkdir(parents=True, exist_ok=True)
    view = memoryview(bytearray(CHUNK))
    with path.open("xb") as file:
        while size := member.stream.some(view):
            file.write(view[:size])
    path.chmod(MODE)

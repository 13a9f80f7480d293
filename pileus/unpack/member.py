"""What an archive holds, and what it may not hold: the rules of all kinds of archive."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from pileus.errors import ArchiveError
from pileus.names import shown_name
from pileus.unpack.streams import Forward

LONGEST = 4096
"""Characters of a member's name."""


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """Limits that a harmless archive does not reach."""

    members: int = 1000
    unpacked: int = 64 << 30
    """Bytes of all members together."""


@dataclass(frozen=True)
class Member:
    """One file of an archive. Its bytes must be read before the next member is asked for."""

    name: str
    """Name in the archive; checked, and never used as a path."""
    size: int | None
    """Unpacked bytes; None where only the end of the stream says."""
    stream: Forward
    where: str
    """Archive and member, for messages."""


class Gate:
    """Checks the members of one archive, one after the other, and counts them."""

    def __init__(self, archive: str, limits: UnpackLimits) -> None:
        self._archive, self._limits = archive, limits
        self._count, self._bytes = 0, 0

    def admit(self, name: str, size: int, kind: str | None = None) -> None:
        """Count a member. `kind`: what it is, when it is neither a file nor a folder. Raises ArchiveError."""
        self._count += 1
        self._bytes += size
        path, shown = PurePosixPath(name.replace("\\", "/")), shown_name(name)
        if path.is_absolute() or name[1:2] == ":":
            raise self.refused(f"holds {shown}, an absolute path")
        if ".." in path.parts:
            raise self.refused(f"holds {shown}, a path that leaves its folder")
        if kind is not None:
            raise self.refused(f"holds {shown}, {kind}")
        if len(name) > LONGEST:
            raise self.refused(f"holds {shown}, a name of more than {LONGEST:,} characters")
        if size < 0:
            raise self.refused(f"holds {shown}, of {size:,} bytes")
        if self._count > self._limits.members:
            raise self.refused(f"holds more than {self._limits.members:,} members")
        if self._bytes > self._limits.unpacked:
            raise self.refused(f"unpacks to more than {self._limits.unpacked:,} bytes")

    def refused(self, why: str) -> ArchiveError:
        """Return the error of an archive that is not read further."""
        return ArchiveError(f"{why}: refused", where=self._archive)

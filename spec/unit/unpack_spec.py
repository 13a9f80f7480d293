"""Unpack: what an archive holds, and what it may not hold."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.errors import ArchiveError
from pileus.unpack.member import UnpackLimits
from pileus.unpack.members import members

TIFF = b"II*\0" + bytes(100)
"""Something that begins as a TIFF does."""


def tar_of(*entries: tuple[str, bytes], change: Any = None, end: bool = True, form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of names and contents; `change` may turn each TarInfo into something else."""
    file = io.BytesIO()
    tar = tarfile.open(fileobj=file, mode="w", format=form)  # noqa: SIM115
    for name, content in entries:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        if change:
            change(info)
        tar.addfile(info, io.BytesIO(content))
    length = tar.offset
    tar.close()
    return file.getvalue() if end else file.getvalue()[:length]


def zip_of(*entries: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return file.getvalue()


def unpacked(data: bytes, name: str = "a.tgz", **options: Any) -> dict[str, bytes]:
    """Every member's content."""
    found = {}
    with members(io.BytesIO(data), name, **options) as every:
        for member in every:
            content, buffer = b"", memoryview(bytearray(1000))
            while n := member.stream.some(buffer):
                content += bytes(buffer[:n])
            found[member.name] = content
    return found


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_a_tar_is_known_by_its_bytes_packed_or_not(form: int) -> None:
    tar = tar_of(("a.tif", b"x" * 512), ("folder/b.txt", b""), ("c.tif", b"yz"), form=form)
    wanted = {"a.tif": b"x" * 512, "folder/b.txt": b"", "c.tif": b"yz"}
    assert unpacked(tar, "no.hint") == wanted
    assert unpacked(gzip.compress(tar), "no.hint") == wanted


def test_members_that_nobody_reads_are_passed_over() -> None:
    with members(io.BytesIO(gzip.compress(tar_of(("a", b"1" * 5000), ("b", b"2")))), "a.tgz") as every:
        assert [member.name for member in every] == ["a", "b"]


def test_long_and_foreign_names_survive() -> None:
    name = "é" * 150 + ".tif"
    assert list(unpacked(tar_of((name, b"x")))) == [name]


def test_one_gzipped_file_is_its_own_member() -> None:
    assert unpacked(gzip.compress(TIFF), "x.tif.gz") == {"x.tif": TIFF}


def test_gzip_may_come_in_several_pieces() -> None:
    tar = tar_of(("a.tif", b"x" * 3000))
    assert unpacked(gzip.compress(tar[:1000]) + gzip.compress(tar[1000:])) == {"a.tif": b"x" * 3000}


def test_a_zip_is_read_in_place() -> None:
    assert unpacked(zip_of(("a.tif", b"x" * 5000), ("b.tif", b"y")), "a.zip") == {"a.tif": b"x" * 5000, "b.tif": b"y"}


class Streaming(io.RawIOBase):
    """Bytes that cannot be sought in, a few at a time."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, view: Any) -> int:
        return self._file.readinto(memoryview(view)[:700])


def test_a_zip_in_a_stream_needs_a_scratch_file(tmp_path: Path) -> None:
    data = zip_of(("a.tif", b"x" * 5000))

    def spool() -> BinaryIO:
        return (tmp_path / "scratch").open("w+b")

    with members(Streaming(data), "a.zip", spool=spool) as every:  # type: ignore[arg-type]
        assert [member.stream.read(5000) for member in every] == [b"x" * 5000]
    with pytest.raises(ArchiveError, match="needs a scratch file"), members(Streaming(data), "a.zip"):  # type: ignore[arg-type]
        pass


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=5), st.integers(1, 3000))
def test_contents_come_back_whatever_their_size(contents: list[bytes], step: int) -> None:
    names = [f"{n}.bin" for n in range(len(contents))]
    data = gzip.compress(tar_of(*zip(names, contents, strict=True)))
    with members(Streaming(data), "a.tgz") as every:  # type: ignore[arg-type]
        for member, content in zip(every, contents, strict=True):
            head = member.stream.read(min(step, len(content)))
            assert head == content[: len(head)]


def kind(type_: bytes, target: str = "") -> Any:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = type_, target, 0

    return change


HOSTILE = {
    "leaves": (tar_of(("../evil.tif", b"x")), r"a.tgz: holds '../evil.tif', a path that leaves its folder: refused"),
    "inner": (tar_of(("a/../../evil", b"x")), "a path that leaves its folder"),
    "windows": (tar_of((r"..\evil.tif", b"x")), "a path that leaves its folder"),
    "absolute": (tar_of(("/etc/passwd", b"x")), "holds '/etc/passwd', an absolute path: refused"),
    "drive": (tar_of((r"C:\evil", b"x")), "an absolute path"),
    "symlink": (tar_of(("l.tif", b""), change=kind(tarfile.SYMTYPE, "/etc/passwd")), "holds 'l.tif', a link: refused"),
    "hard link": (tar_of(("l.tif", b""), change=kind(tarfile.LNKTYPE, "/etc/passwd")), "a link"),
    "device": (tar_of(("d", b""), change=kind(tarfile.CHRTYPE)), "holds 'd', a device: refused"),
    "pipe": (tar_of(("p", b""), change=kind(tarfile.FIFOTYPE)), "a device"),
    "zip that leaves": (zip_of(("../evil.tif", b"x")), "a path that leaves its folder"),
    "cut gzip": (gzip.compress(tar_of(("a.tif", bytes(range(256)) * 40)))[:-30], "is cut: its compressed stream ends"),
    "half a gzip": (gzip.compress(tar_of(("a.tif", bytes(range(256)) * 40)))[:200], "is cut"),
    "no end mark": (tar_of(("a.tif", b"x" * 512), end=False), "is cut: its tar has no end mark"),
    "cut in a member": (tar_of(("a.tif", b"x" * 5000))[:2000], "is cut: "),
    "empty": (b"", "a.tgz: is empty"),
    "a web page": (b"<html>busy</html>", "is neither tar, gzip, zip nor TIFF"),
    "a gzipped page": (gzip.compress(b"<html>busy</html>" * 50), "is neither tar, gzip, zip nor TIFF"),
    "a cut zip": (zip_of(("a.tif", b"x" * 5000))[:60], "is not a sound zip"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_or_broken_archive_is_refused_in_one_line(name: str) -> None:
    data, message = HOSTILE[name]
    for packed in [data] if "gzip" in name or "zip" in name or not data else [data, gzip.compress(data)]:
        with pytest.raises(ArchiveError, match=message) as caught:
            unpacked(packed)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("place", "message"), [(-8, "checksum"), (-4, "length")])
def test_a_wrong_checksum_or_length_at_the_very_end_is_seen(place: int, message: str) -> None:
    data = bytearray(gzip.compress(tar_of(("a.tif", b"x" * 5000))))
    data[place] ^= 1
    with pytest.raises(ArchiveError, match=f"a.tgz: is damaged: its {message}"):
        unpacked(bytes(data))


def test_a_bomb_is_refused_before_it_unpacks() -> None:
    many = tar_of(*((f"{n}", b"") for n in range(6)))
    with pytest.raises(ArchiveError, match="holds more than 5 members: refused"):
        unpacked(many, limits=UnpackLimits(members=5))
    with pytest.raises(ArchiveError, match="unpacks to more than 1,000 bytes: refused"):
        unpacked(zip_of(("a", bytes(2000))), limits=UnpackLimits(unpacked=1000))
    with pytest.raises(ArchiveError, match="unpacks to more than 1,000 bytes: refused"):
        unpacked(gzip.compress(TIFF + bytes(100_000)), limits=UnpackLimits(unpacked=1000))
    with pytest.raises(ArchiveError, match=r"unpacks to more than 100,000 bytes: refused"):
        unpacked(gzip.compress(tar_of(("a", bytes(200_000)))), limits=UnpackLimits(unpacked=100_000))


def test_leaving_early_stops_the_gunzip_thread() -> None:
    import threading

    before = threading.active_count()
    data = gzip.compress(tar_of(("a", bytes(30_000_000)), ("b", b"")), 1)
    with members(io.BytesIO(data), "a.tgz") as every:
        next(every)
    assert threading.active_count() == before

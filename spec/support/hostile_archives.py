"""Small archives that lie about what they hold."""

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable

GIB = 1 << 30


def tar(*members: tuple[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a sound tar."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a sound zip."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def head(name: bytes = b"x", kind: bytes = b"0", size: bytes = b"00000000000") -> bytes:
    """Return one tar header with a correct checksum. `size`: the 12 bytes as they stand."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108] = b"0000644\0"
    block[124 : 124 + len(size)] = size
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    return summed(block)


def summed(block: bytes) -> bytes:
    """Return a tar header with its checksum made right."""
    fixed = bytearray(block)
    fixed[148:156] = b" " * 8
    fixed[148:156] = b"%06o\0 " % sum(fixed)
    return bytes(fixed)


def octal(size: int) -> bytes:
    return b"%011o" % size


def base256(size: int) -> bytes:
    """Return a size as GNU tar writes large and negative ones."""
    return (b"\xff" if size < 0 else b"\x80") + (size & ((1 << 88) - 1)).to_bytes(11, "big")


def pax(*facts: tuple[str, str]) -> bytes:
    """Return a PAX header and its body."""
    body = b""
    for key, value in facts:
        line = f" {key}={value}\n".encode()
        size = len(line) + 1
        while len(str(size)) + len(line) != size:
            size = len(str(size)) + len(line)
        body += str(size).encode() + line
    return head(kind=b"x", size=octal(len(body))) + body + bytes(-len(body) % 512)


def long_name(name: bytes) -> bytes:
    return head(kind=b"L", size=octal(len(name))) + name + bytes(-len(name) % 512)


END = bytes(1024)


def tars() -> dict[str, tuple[bytes, str]]:
    """Return hostile tars by what they are, and what is said about each."""
    sparse_1_0 = (("GNU.sparse.major", "1"), ("GNU.sparse.realsize", str(1 << 50)), ("GNU.sparse.name", "a.tif"))
    return {
        "a PAX header of 2 GiB": (head(kind=b"x", size=octal(2 * GIB)) + END, "has a header that claims 2,147,483,648"),
        "a global header of 2 GiB": (head(kind=b"g", size=octal(2 * GIB)) + END, "has a header that claims"),
        "a long name of 2 GiB": (head(kind=b"L", size=octal(2 * GIB)) + END, "has a header that claims 2,147,483,648"),
        "a long link of 2 GiB": (head(kind=b"K", size=octal(2 * GIB)) + END, "has a header that claims 2,147,483,648"),
        "a huge size": (head(size=base256(1 << 80)) + END, "unpacks to more than"),
        "a negative size": (head(size=base256(-512)) + END, "of -512 bytes: refused"),
        "a negative header": (head(kind=b"x", size=base256(-512)) + END, "has a header that claims -512 bytes"),
        "a huge PAX size": (pax(("size", "9" * 20)) + head() + END, "unpacks to more than"),
        "a negative PAX size": (pax(("size", "-512")) + head() + END, "has a size that is no number"),
        "a PAX size of 5,000 digits": (pax(("size", "1" * 5000)) + head() + END, "has a size that is no number"),
        "chained long names": (long_name(b"a.tif") * 20_000 + head() + END, "more than 8 headers before one member"),
        "chained PAX": (pax(("path", "a.tif")) * 20_000 + head() + END, "more than 8 headers before one member"),
        "a PAX line without an end": (head(kind=b"x", size=octal(9)) + b"99 path=a".ljust(512, b"\0") + END, "damaged"),
        "a PAX line of length 0": (head(kind=b"x", size=octal(9)) + b"0 path=a\n".ljust(512, b"\0") + END, "damaged"),
        "an old sparse file": (head(kind=b"S", size=octal(512)) + END, "a sparse file: refused"),
        "a sparse file of a pebibyte": (pax(*sparse_1_0) + head(size=octal(512)) + END * 2, "a sparse file: refused"),
        "members without an end": (head(b"a") * 20_000, "holds more than 1,000 members"),
        "folders without an end": (head(b"a/", b"5") * 20_000, "holds more than 1,000 members"),
        "a name of a mebibyte": (long_name(b"a" * 1_000_000) + head() + END, "a name of more than 4,096 characters"),
        "a line break in a name": (long_name(b"../a\n\nb") + head() + END, "a path that leaves its folder"),
        "an unknown kind": (head(kind=b"Q") + END, "of an unknown kind: refused"),
        "damage after a member": (head() + b"\1" * 512, "is not a sound tar: "),
    }  # fmt: skip


def _edited(data: bytes, mark: bytes, at: int, form: str, value: int, last: bool = False) -> bytes:
    """Return a zip in which a field after a mark holds another value."""
    place = (data.rindex(mark) if last else data.index(mark)) + at
    return data[:place] + struct.pack(form, value) + data[place + struct.calcsize(form) :]


def quoted(count: int) -> bytes:
    """Return a zip in which each of `count` members quotes all those after it: the overlap of D. Fifield's zip bomb."""
    kernel = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = kernel.compress(bytes(1 << 20)) + kernel.flush()
    names = [f"{n:04}.txt".encode() for n in range(count)]
    local = [_local(name, len(packed), 1 << 20, zlib.crc32(bytes(1 << 20))) for name in names]
    body, offsets = packed, []
    for block in reversed(local):
        body = block + body
        offsets.append(len(body))
    starts = [len(body) - offset for offset in reversed(offsets)]
    directory = b"".join(
        _central(name, len(body) - start - 38, 1 << 20, start) for name, start in zip(names, starts, strict=True)
    )
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)
    return body + directory + end


def _local(name: bytes, packed: int, size: int, crc: int) -> bytes:
    return struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, crc, packed, size, len(name), 0) + name


def _central(name: bytes, packed: int, size: int, start: int) -> bytes:
    head = struct.pack("<4s4B4H3L5H2L", b"PK\1\2", 20, 0, 20, 0, 0, 8, 0, 0, 0, packed, size, len(name), 0, 0, 0, 0, 0,
                       start)  # fmt: skip
    return head + name


def zips() -> dict[str, tuple[bytes, str]]:
    """Return hostile zips by what they are, and what is said about each."""
    one = zipped(("a.tif", b"x" * 5000))
    many = zipped(*((f"{n}", b"") for n in range(1001)))
    return {
        "members that overlap": (quoted(500), "holds members that overlap in the file: refused"),
        "one member twice": (_edited(zipped(("a", b"1"), ("b", b"2")), b"PK\1\2", 42, "<L", 0, last=True), "overlap"),
        "a directory of 4 GiB": (_edited(one, b"PK\5\6", 12, "<L", 0xFFFFFFFE), "is not a sound zip"),
        "a directory that is elsewhere": (_edited(one, b"PK\5\6", 16, "<L", 0x7FFFFFFF), "is not a sound zip"),
        "a member that is elsewhere": (_edited(one, b"PK\1\2", 42, "<L", 0x7FFFFFFF), "overlap|is not a sound zip"),
        "an encrypted member": (_edited(one, b"PK\1\2", 8, "<H", 1), "holds 'a.tif', encrypted: refused"),
        "an unknown method": (_edited(one, b"PK\1\2", 10, "<H", 99), "packed in a way other than stored or deflated"),
        "lzma, whose head asks for 4 GiB": (zipped(("a.tif", b"x"), method=zipfile.ZIP_LZMA), "packed in a way other"),
        "a newer version": (_edited(one, b"PK\1\2", 6, "<H", 0xFF), "is not a sound zip"),
        "a size of 16 EiB": (_zip64(one, (1 << 64) - 1), "unpacks to more than"),
        "a member larger than it says": (_edited(one, b"PK\1\2", 24, "<L", 100), "is damaged: |CRC"),
        "1,001 members": (many, "holds more than 1,000 members: refused"),
        "a name that leaves": (zipped(("a/../../b", b"")), "a path that leaves its folder"),
        "zip64 without its facts": (_edited(one, b"PK\1\2", 24, "<L", 0xFFFFFFFF), "is cut: |is not a sound zip"),
        "cut": (one[:-10], "is not a sound zip"),
    }


def _zip64(data: bytes, size: int) -> bytes:
    """Return a zip of one member that has another size in a zip64 field."""
    start, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    extra = struct.pack("<HHQ", 1, 8, size)
    central = bytearray(data[start:end])
    central[24:28] = b"\xff" * 4
    central[30:32] = struct.pack("<H", len(extra))
    directory = bytes(central[:46]) + bytes(central[46:51]) + extra
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(directory), start, 0)
    return data[:start] + directory + tail


SEEDS: dict[str, Callable[[], bytes]] = {
    "tar": lambda: tar(("a.b.tif", b"x" * 700), ("é" * 120, b"y"), ("folder/c.txt", b"")),
    "GNU tar": lambda: tar(("n" * 150, b"x" * 600), ("c", b"z"), form=tarfile.GNU_FORMAT),
    "tgz": lambda: gzip.compress(tar(("a.b.tif", b"x" * 3000), ("c", b"z"))),
    "zip": lambda: zipped(("a.b.tif", b"x" * 700), ("é", b"y"), ("c.txt", bytes(range(256)) * 4)),
    "stored zip": lambda: zipped(("a", b"x" * 70), ("b", b"y"), method=zipfile.ZIP_STORED),
}
"""Sound archives that a fuzz spec damages."""

"""SFTP answers are looked over before paramiko reads them: one that counts more than it holds would never end."""

import struct

import paramiko
from paramiko.sftp import CMD_ATTRS, CMD_NAME

_FIXED = ((1, 8), (2, 8), (4, 4), (8, 8))
"""Flags of a file's attributes in version 3 of the protocol (size, owner, mode, times), and the bytes of each."""
_MORE = 0x80000000
"""Flag of attributes that are pairs of texts."""


class BoundedClient(paramiko.SFTPClient):
    """A client that refuses an answer which ends before what it counts."""

    def _read_packet(self) -> tuple[int, bytes]:
        kind, body = super()._read_packet()  # type: ignore[misc]
        check_answer(kind, body)
        return kind, body


def check_answer(kind: int, body: bytes) -> None:
    """Raise struct.error for names or attributes that end before what they count."""
    if kind in (CMD_NAME, CMD_ATTRS):
        at = 4
        count, at = _number(body, at) if kind == CMD_NAME else (1, at)
        for _ in range(count):
            if kind == CMD_NAME:
                at = _after_text(body, _after_text(body, at))
            at = _after_attributes(body, at)


def _number(body: bytes, at: int) -> tuple[int, int]:
    return int(struct.unpack_from(">I", body, at)[0]), at + 4


def _after_text(body: bytes, at: int) -> int:
    length, at = _number(body, at)
    return at + length


def _after_attributes(body: bytes, at: int) -> int:
    flags, at = _number(body, at)
    at += sum(size for flag, size in _FIXED if flags & flag)
    if flags & _MORE:
        count, at = _number(body, at)
        for _ in range(count):
            at = _after_text(body, _after_text(body, at))
    if at > len(body):
        raise struct.error("the answer ends in the middle of a file's attributes")
    return at

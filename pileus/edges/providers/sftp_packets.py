"""SFTP answers are looked over before paramiko reads them.

paramiko takes any answer to READDIR for names, even a status that comes out of turn, and reads as many as are counted:
one that counts more than it holds would never end.
"""

import struct
from typing import Any

import paramiko
from paramiko.sftp import (
    CMD_ATTRS,
    CMD_DATA,
    CMD_FSTAT,
    CMD_HANDLE,
    CMD_INIT,
    CMD_LSTAT,
    CMD_NAME,
    CMD_OPEN,
    CMD_OPENDIR,
    CMD_READ,
    CMD_READDIR,
    CMD_READLINK,
    CMD_REALPATH,
    CMD_STAT,
    CMD_STATUS,
    CMD_VERSION,
)

_ANSWERS = {
    CMD_OPEN: CMD_HANDLE,
    CMD_OPENDIR: CMD_HANDLE,
    CMD_READ: CMD_DATA,
    CMD_READDIR: CMD_NAME,
    CMD_READLINK: CMD_NAME,
    CMD_REALPATH: CMD_NAME,
    CMD_STAT: CMD_ATTRS,
    CMD_LSTAT: CMD_ATTRS,
    CMD_FSTAT: CMD_ATTRS,
}
"""Requests, and the kind of answer that has what was asked for. A request that is not here is answered by a status."""
_FIXED = ((1, 8), (2, 8), (4, 4), (8, 8))
"""Flags of a file's attributes in version 3 of the protocol (size, owner, mode, times), and the bytes of each."""
_MORE = 0x80000000
"""Flag of attributes that are pairs of texts."""


class BoundedClient(paramiko.SFTPClient):
    """A client that refuses an answer of another kind than was asked for, and one that ends before what it counts."""

    def __init__(self, sock: paramiko.Channel) -> None:
        self._asked: dict[int, int] = {}
        super().__init__(sock)

    def _send_packet(self, t: int, packet: Any) -> None:
        if t != CMD_INIT:
            self._asked[_number(packet.asbytes(), 0)[0]] = t
        super()._send_packet(t, packet)  # type: ignore[misc]

    def _read_packet(self) -> tuple[int, bytes]:
        kind, body = super()._read_packet()  # type: ignore[misc]
        if kind != CMD_VERSION:
            self._check(kind, body)
        return kind, body

    def _check(self, kind: int, body: bytes) -> None:
        number, first = _number(body, 0)[0], next(iter(self._asked), None)
        asked = self._asked.pop(number, None)
        if asked == CMD_READDIR and number != first:
            raise struct.error("an answer to a listing comes out of turn")
        check_answer(asked, kind, body)


def check_answer(asked: int | None, kind: int, body: bytes) -> None:
    """Check an answer to a request of kind `asked`; None is no request.

    Raises struct.error for one of another kind than was asked for, and for names or attributes that end before what
    they count.
    """
    due = None if asked is None else _ANSWERS.get(asked, CMD_STATUS)
    failed = kind == CMD_STATUS and _number(body, 4)[0] != 0
    if due is None or (kind != due and not failed):
        raise struct.error("the answer is not of the kind that was asked for")
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

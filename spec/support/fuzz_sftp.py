"""Answers of an SFTP server to a listing, with counts that may lie; and what reads them."""

import struct
from dataclasses import replace
from typing import Any

import paramiko
from hypothesis import strategies as st
from paramiko.sftp import CMD_ATTRS, CMD_HANDLE, CMD_NAME, CMD_OPENDIR, CMD_READDIR, CMD_STATUS

from pileus.documents import Credentials, Provider, SecretRef
from pileus.edges.providers import connect
from pileus.edges.providers.sftp import SftpEdge
from pileus.edges.providers.sftp_packets import BoundedClient
from pileus.edges.secrets import Secrets
from pileus.models import Listed, Problem

LOGIN = Credentials(type="basic", username=SecretRef(env="A"), password=SecretRef(env="A"))


class _Scripted(paramiko.SFTPClient):
    """An SFTP client whose server answers the first request for names with a text, and the next with the end.

    `late`: the answer names the request that comes so many later.
    """

    _requests: list[tuple[int, bytes]]
    _answer: tuple[int, bytes] | None
    _late: int

    def _send_packet(self, t: int, packet: Any) -> None:
        self._requests.append((t, packet.asbytes()[:4]))

    def _send_version(self) -> int:
        return 3

    def _read_packet(self) -> tuple[int, bytes]:
        asked, number = self._requests.pop(0)
        if asked == CMD_OPENDIR:
            return CMD_HANDLE, number + struct.pack(">I", 6) + b"handle"
        if asked == CMD_READDIR and self._answer:
            (kind, body), self._answer = self._answer, None
            return kind, struct.pack(">I", struct.unpack(">I", number)[0] + self._late) + body
        return CMD_STATUS, number + struct.pack(">III", 1 if asked == CMD_READDIR else 0, 0, 0)


class _Quiet:
    """The channel that such a client has none of."""

    def get_name(self) -> str:
        return "scripted"

    def get_transport(self) -> Any:
        return self

    def get_hexdump(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing."""


class _Wire(BoundedClient, _Scripted):
    """The client that checks answers, of such a server."""

    def __init__(self, kind: int, body: bytes, late: int) -> None:
        self._requests, self._answer, self._late = [], (kind, body), late
        super().__init__(_Quiet())  # type: ignore[arg-type]


def sftp_listing(body: bytes) -> list[Listed | Problem]:
    """Return what a listing yields whose first answer is a text: a byte of its kind and its turn, and what it holds."""
    edge = connect(
        Provider(id="x", protocol="sftp", host="x.org", host_key="k", attempts=1, credentials=LOGIN),
        secrets=Secrets(environ={"A": "a"}),
    )
    assert isinstance(edge, SftpEdge)
    edge.limits = replace(edge.limits, listing_entries=5000)
    late, kind = divmod(body[0] if body else 2, 16)
    kind = {0: CMD_STATUS, 1: CMD_ATTRS}.get(kind, CMD_NAME)
    edge._dial = lambda: _Wire(kind, body[1:], late)  # type: ignore[method-assign]
    return list(edge.list(""))


def sftp_answers(names: list[bytes]) -> st.SearchStrategy[bytes]:
    """Return the names and attributes of files as SFTP packs them, with counts that may lie."""
    number = st.one_of(
        st.sampled_from([0, 1, 2, 0o100644, 0o40755, 0x7FFFFFFF, 0x80000001, 0xFFFFFFFF]), st.integers(0, 9)
    )
    packed = number.map(lambda value: struct.pack(">I", value))
    name = st.one_of(st.sampled_from(names), st.binary(max_size=8))
    text = name.map(lambda body: struct.pack(">I", len(body)) + body)
    sizes = st.sampled_from([0, 5, 2**63, 2**64 - 1, 10**18]).map(lambda value: struct.pack(">Q", value))
    right = st.tuples(
        text, text, st.just(struct.pack(">I", 13)), sizes, st.just(struct.pack(">I", 0o100644)), packed, packed
    )
    more = st.tuples(text, text, st.just(struct.pack(">I", 0x80000000)), packed, text, text)
    entry = st.one_of(right, right, more, st.tuples(text, text, packed, packed), st.tuples(text, packed)).map(b"".join)
    entries = st.lists(entry, max_size=5)
    whole = entries.map(lambda some: struct.pack(">I", len(some)) + b"".join(some))
    lying = st.tuples(packed, entries).map(lambda two: two[0] + b"".join(two[1]))
    body = st.one_of(whole, whole, lying, st.binary(max_size=40))
    kind = st.sampled_from([b"\0", b"\1"] + [b"\2"] * 8 + [b"\x10", b"\x12"])
    return st.tuples(kind, body).map(b"".join)

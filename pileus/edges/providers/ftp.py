"""Protocol ftp."""

import ftplib
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from urllib.parse import unquote, urlsplit

from pileus.documents import Provider
from pileus.download.source import Limits
from pileus.download.transfer import BLOCK, persistently
from pileus.edges.connections import Connections, Lease
from pileus.edges.providers.address import base_of, limits_of, origin_of, shown
from pileus.edges.providers.connection_pool import ConnectionPool
from pileus.edges.providers.faults import Fault, translated
from pileus.edges.providers.listing_limits import ListingLimits, number_of
from pileus.edges.providers.login import login_of
from pileus.edges.providers.reach import Reach
from pileus.edges.providers.time_limit import patience, shut, within
from pileus.edges.secrets import Secrets
from pileus.errors import (
    Busy,
    Changed,
    NotAListing,
    NotFound,
    ProviderError,
    Refused,
    Truncated,
    Unreachable,
    UsageError,
)
from pileus.models import Listed, Problem, listed

FAULTS: tuple[Fault, ...] = (
    (ftplib.error_proto, Unreachable, "the answer is not FTP"),
    (ftplib.error_reply, ProviderError, "an answer came that was not expected"),
    (ftplib.Error, ProviderError, "the server refused"),
    (socket.gaierror, Unreachable, "the host name is not known"),
    (TimeoutError, Unreachable, "no answer in time"),
    (EOFError, Unreachable, "hung up"),
    (UnicodeError, UsageError, "a name that FTP cannot write"),
    (OSError, Unreachable, "the connection failed: {detail}"),
)
MOST_LINES = 1000
"""Lines of an answer, such as a welcome."""
LONGEST_LINE = 8192
"""Bytes of a line of a listing."""
FAREWELL = 0.5
"""Seconds that a server gets to say goodbye."""
SECOND = struct.pack("@ll", 1, 0)
_UNIX = re.compile(r"-\S{9}\S?\s+\d+\s+\S+\s+\S+\s+(\d+)\s+\w{3}\s+\d+\s+[\d:]+\s(.+)")
"""A file in the output of `ls -l`: size and name."""


class _Session(ftplib.FTP):
    """Refuses an answer of more lines than any has."""

    def getmultiline(self) -> str:
        self._lines = 0
        return super().getmultiline()

    def getline(self) -> str:
        self._lines += 1
        if self._lines > MOST_LINES:
            raise ftplib.error_proto(f"an answer of more than {MOST_LINES} lines")
        return super().getline()


class FtpConnection:
    """One session. See PooledConnection."""

    def __init__(self, lease: Lease, dial: Callable[[ftplib.FTP], None], seconds: float) -> None:
        self.lease, self._seconds = lease, seconds
        self._dial = dial
        self._ftp: ftplib.FTP | None = None

    @property
    def alive(self) -> bool:
        return self._ftp is not None

    def session(self) -> ftplib.FTP:
        """Signed in and answering: an idle session that the server ended is replaced."""
        if self._ftp is not None:
            try:
                with self.answering("", ""):
                    self._ftp.voidcmd("TYPE I")
                return self._ftp
            except (ftplib.Error, OSError, EOFError, Unreachable):
                self.hang_up()
        self._ftp = ftp = _Session(encoding="utf-8")
        try:
            self._dial(ftp)
        except BaseException:
            self.break_off()
            raise
        return ftp

    def answering(self, words: str, where: str) -> AbstractContextManager[None]:
        """Give the server the time for an answer: then the block raises Unreachable, with `words`."""
        return within(self._seconds, self.cut, words, where)

    def cut(self) -> None:
        """End what waits, from another thread."""
        sock = self._ftp.sock if self._ftp is not None else None
        if sock is not None:
            shut(sock)

    def hang_up(self) -> None:
        if self._ftp is not None:
            # The server has counted one less when it has answered, before the lease goes back.
            with suppress(*ftplib.all_errors, Unreachable), within(FAREWELL, self.cut, "no farewell", ""):
                self._ftp.quit()
        self.break_off()

    def break_off(self) -> None:
        """Close at once, in the middle of a transfer."""
        if self._ftp is not None:
            self._ftp.close()
        self._ftp = None


class FtpEdge:
    """A ProviderEdge over FTP, in passive mode. Without credentials it signs in as anonymous."""

    def __init__(self, provider: Provider, secrets: Secrets, connections: Connections) -> None:
        self._base = base_of(provider)
        self._provider = provider
        self._reach = Reach.of(provider, self._base.origin.host)
        self._login = login_of(provider, secrets, self._base.origin.host)
        self._pool = ConnectionPool(
            provider.id,
            provider.globalConnectionLimit,
            connections,
            lambda lease: FtpConnection(lease, self._dial, patience(provider)),
        )
        self.limits: Limits = limits_of(provider)

    def now(self) -> float:
        return time.monotonic()

    def list(self, path: str) -> Iterator[Listed | Problem]:
        """See Lister. MLSD where the server has it, else what `LIST` prints, if that looks like `ls -l`."""
        folder = self._base.folder(path)
        url = self._base.url(folder)
        for name, size, modified in persistently(lambda: self._entries(folder, url), self):
            yield listed(name, self._base.url(folder + name), size, modified)

    def _entries(self, folder: str, url: str) -> Sequence[tuple[str, int | None, str | None]]:
        connection = self._pool.take(None)
        try:
            with translated(FAULTS, url), answers(url):
                limits = ListingLimits(self.limits, self.now, shown(url))
                with limits.cutting(connection.cut):
                    return [*_entries(connection.session(), folder, url, limits)]
        finally:
            self._pool.drop(connection)

    def describe(self, file: Listed) -> Listed:
        """See Lister. Sizes are listed."""
        return file

    def open(
        self, url: str, offset: int = 0, validator: str | None = None, *, pulse: Callable[[], None] | None = None
    ) -> "FtpResponse":
        """See Opener."""
        if origin_of(url) != self._base.origin:
            raise UsageError(f"is not on {self._base.origin.url}", where=shown(url))
        with self._pool.lent(pulse) as connection, translated(FAULTS, url), answers(url):
            session = connection.session()
            with connection.answering("the file was not open", shown(url)):
                return FtpResponse(connection, session, url, offset, validator, self._pool.give_back)

    def rest(self) -> None:
        """See Opener."""
        self._pool.rest()

    def close(self) -> None:
        """See ProviderEdge."""
        self.rest()

    def _dial(self, ftp: ftplib.FTP) -> None:
        # As FTP.connect does, within reach. Data connections lead to the same address: see ftplib.makepasv.
        ftp.host, ftp.port = self._base.origin.host, self._base.origin.port
        ftp.timeout = self._provider.connect_seconds
        ftp.sock = self._reach.connect(ftp.host, ftp.port, ftp.timeout)
        ftp.af, ftp.file = ftp.sock.family, ftp.sock.makefile("r", encoding=ftp.encoding)
        where = self._base.origin.url
        with within(patience(self._provider), partial(shut, ftp.sock), "the sign-in did not end", where):
            ftp.welcome = ftp.getresp()
            ftp.sock.settimeout(self._provider.read_seconds)
            ftp.login(*(self._login.reveal() if self._login else ()))
            ftp.voidcmd("TYPE I")


class FtpResponse:
    """See Response."""

    def __init__(
        self,
        connection: FtpConnection,
        ftp: ftplib.FTP,
        url: str,
        offset: int,
        validator: str | None,
        give_back: Callable[[FtpConnection], None],
    ) -> None:
        self._connection, self._ftp, self._give_back = connection, ftp, give_back
        self.url, self.offset = url, offset
        path = unquote(urlsplit(url).path)
        self.size = ftp.size(path)
        stamp = _try(ftp, f"MDTM {path}").removeprefix("213").strip()
        self.validator: str | None = f"{stamp}-{self.size}" if stamp else None
        self.modified = _time(stamp)
        self.checksum: str | None = None
        self.content_type: str | None = None
        if validator is not None and validator != self.validator:
            raise Changed("the file is not the one that was begun", where=shown(url))
        self._sock = ftp.transfercmd(f"RETR {path}", offset or None)
        self._sock.settimeout(None)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, SECOND)
        self._position = offset
        self._ended = False

    def readinto(self, buffer: memoryview) -> int | None:
        """See Response."""
        if self._connection.lease.lost:
            raise Unreachable("the lease of the connection ran out", where=shown(self.url))
        if self._ended:
            return 0
        with translated(FAULTS, self.url), answers(self.url):
            try:
                count = self._sock.recv_into(buffer, len(buffer), socket.MSG_WAITALL)
            except BlockingIOError:
                return None
            self._position += count
            if count:
                return count
            self._sock.close()
            with self._connection.answering("the server did not say that the file is whole", shown(self.url)):
                self._ftp.voidresp()
        if self.size is not None and self._position < self.size:
            raise Truncated(f"ended {self.size - self._position} bytes early", where=shown(self.url))
        self._ended = True
        return 0

    def close(self) -> None:
        """See Response."""
        self._sock.close()
        if not self._ended:
            self._connection.break_off()
        self._give_back(self._connection)


@contextmanager
def answers(url: str) -> Iterator[None]:
    """Refusals of the server become ours by their code (RFC 959)."""
    try:
        yield
    except (ftplib.error_perm, ftplib.error_temp) as exc:
        code = str(exc)[:3]
        words, where = f"the server answered {code}", shown(url)
        if code in ("530", "532"):
            raise Refused(f"{words}: sign-in refused", where=where) from None
        if code in ("550", "553"):
            raise NotFound(f"{words}: no such file or folder, or not for us", where=where) from exc
        kind = Busy if code.startswith("4") else ProviderError
        raise kind(words, where=where) from exc


def _entries(
    ftp: ftplib.FTP, folder: str, url: str, limits: ListingLimits
) -> Iterator[tuple[str, int | None, str | None]]:
    """Name, size and date of each file."""
    ftp.cwd(folder)
    if "MLST" in _try(ftp, "FEAT").upper():
        _try(ftp, "OPTS MLST type;size;modify;")
        for line in _lines(ftp, "MLSD", url, limits):
            told, _, name = line.partition(" ")
            facts = {key.lower(): value for key, _, value in (fact.partition("=") for fact in told.split(";"))}
            if facts.get("type", "file").lower() == "file":
                stamp = _time(facts.get("modify", ""))
                modified = datetime.fromtimestamp(stamp, UTC).isoformat() if stamp is not None else None
                yield name, number_of(facts.get("size", "")), modified
        return
    for line in _lines(ftp, "LIST", url, limits):
        if match := _UNIX.fullmatch(line):
            yield match[2], number_of(match[1]), None
        elif line[:1] not in "dlcbpst":
            raise NotAListing(f"a line of the listing is not understood: {line[:60]!r}", where=shown(url))


def _lines(ftp: ftplib.FTP, command: str, url: str, limits: ListingLimits) -> Iterator[str]:
    """Yield the lines that come for a command. A byte that is not UTF-8 is written with a backslash, as no name is."""
    rest = b""
    with ftp.transfercmd(command) as sock:
        while block := sock.recv(BLOCK):
            limits.came(len(block))
            *lines, rest = (rest + block).split(b"\n")
            if len(rest) > LONGEST_LINE:
                raise NotAListing(f"a line of the listing is longer than {LONGEST_LINE:,} bytes", where=shown(url))
            for line in filter(None, lines):
                limits.entry()
                yield line.removesuffix(b"\r").decode("utf-8", "backslashreplace")
    if rest:
        yield rest.removesuffix(b"\r").decode("utf-8", "backslashreplace")
    ftp.voidresp()


def _try(ftp: ftplib.FTP, command: str) -> str:
    """Return the answer to a command that not every server has; empty from one that has not."""
    try:
        return ftp.sendcmd(command)
    except ftplib.error_perm:
        return ""


def _time(stamp: str) -> float | None:
    """Seconds since 1970 of a stamp such as 20150131235959 or 20150131235959.123."""
    try:
        return datetime.strptime(stamp[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None

"""Protocol sftp."""

import base64
import hashlib
import io
import os
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from urllib.parse import unquote, urlsplit

import paramiko
from paramiko.pkey import UnknownKeyType

from pileus.documents import Provider
from pileus.download.source import Limits
from pileus.download.transfer import persistently
from pileus.edges.connections import Connections, Lease
from pileus.edges.providers.address import base_of, limits_of, origin_of, shown
from pileus.edges.providers.connection_pool import ConnectionPool
from pileus.edges.providers.faults import Fault, translated
from pileus.edges.providers.listing_limits import DIGITS, ListingLimits
from pileus.edges.providers.login import login_of, plain_login
from pileus.edges.providers.reach import Reach
from pileus.edges.providers.sftp_packets import BoundedClient
from pileus.edges.providers.time_limit import patience, within
from pileus.edges.secrets import Secrets
from pileus.errors import Changed, DocumentError, NotAListing, NotFound, Refused, Truncated, Unreachable, UsageError
from pileus.models import Listed, Problem, listed

FAULTS: tuple[Fault, ...] = (
    (paramiko.AuthenticationException, Refused, "sign-in refused"),
    (paramiko.BadHostKeyException, Refused, "its host key is not the one that is known"),
    (paramiko.SSHException, Unreachable, "SSH failed: {detail}"),
    (UnknownKeyType, Refused, "its host key is of a kind that is not known"),
    (paramiko.SFTPError, Unreachable, "SFTP failed: {detail}"),
    (UnicodeError, NotAListing, "a name is not in UTF-8"),
    (struct.error, Unreachable, "the answer is not SFTP"),
    (FileNotFoundError, NotFound, "no such file or folder"),
    (PermissionError, Refused, "may not be read"),
    (socket.gaierror, Unreachable, "the host name is not known"),
    (TimeoutError, Unreachable, "no answer in time"),
    (EOFError, Unreachable, "hung up"),
    (OSError, Unreachable, "the connection failed: {detail}"),
)
REQUEST = 1 << 15
"""Bytes of one request; servers answer no more."""
WINDOW = 64 * REQUEST
"""Bytes that are asked for at once."""
AHEAD = 256
"""Answers that are read before they are asked for."""


class SftpConnection:
    """One session. See PooledConnection."""

    def __init__(self, lease: Lease, dial: Callable[[], paramiko.SFTPClient]) -> None:
        self.lease = lease
        self._dial = dial
        self._sftp: paramiko.SFTPClient | None = None

    @property
    def alive(self) -> bool:
        transport = self._transport()
        return transport is not None and transport.is_active()

    def session(self) -> paramiko.SFTPClient:
        if self._sftp is None or not self.alive:
            self.hang_up()
            self._sftp = self._dial()
        return self._sftp

    def hang_up(self) -> None:
        if (transport := self._transport()) is not None:
            transport.close()
        self._sftp = None

    def _transport(self) -> paramiko.Transport | None:
        channel = self._sftp.get_channel() if self._sftp else None
        return channel.get_transport() if channel else None


class SftpEdge:
    """A ProviderEdge over SFTP. The host's key must be known: from `host_key`, else from ~/.ssh/known_hosts."""

    def __init__(self, provider: Provider, secrets: Secrets, connections: Connections) -> None:
        self._base = base_of(provider)
        self._provider, self._environ = provider, secrets.environ
        self._reach = Reach.of(provider, self._base.origin.host)
        self._sign_in = _sign_in(provider, secrets, self._base.origin.host)
        self._pool = ConnectionPool(
            provider.id, provider.globalConnectionLimit, connections, lambda lease: SftpConnection(lease, self._dial)
        )
        self.limits: Limits = limits_of(provider)

    def now(self) -> float:
        return time.monotonic()

    def list(self, path: str) -> Iterator[Listed | Problem]:
        """See Lister."""
        folder = self._base.folder(path)
        url = self._base.url(folder)
        for entry in persistently(lambda: self._entries(folder, url), self):
            modified = datetime.fromtimestamp(entry.st_mtime or 0, UTC).isoformat() if entry.st_mtime else None
            size = entry.st_size if (entry.st_size or 0) < 10**DIGITS else None
            yield listed(entry.filename, self._base.url(folder + entry.filename), size, modified)

    def _entries(self, folder: str, url: str) -> Sequence[paramiko.SFTPAttributes]:
        connection = self._pool.take(None)
        try:
            with translated(FAULTS, url):
                session, limits = connection.session(), ListingLimits(self.limits, self.now, shown(url))
                found = []
                with limits.cutting(connection.hang_up):
                    for entry in session.listdir_iter(folder):
                        limits.entry()
                        limits.came(len(entry.filename) + len(getattr(entry, "longname", "")))
                        if S_ISREG(entry.st_mode or 0):
                            found.append(entry)
                return found
        finally:
            self._pool.drop(connection)

    def describe(self, file: Listed) -> Listed:
        """See Lister. Sizes are listed."""
        return file

    def open(
        self, url: str, offset: int = 0, validator: str | None = None, *, pulse: Callable[[], None] | None = None
    ) -> "SftpResponse":
        """See Opener."""
        if origin_of(url) != self._base.origin:
            raise UsageError(f"is not on {self._base.origin.url}", where=shown(url))
        with self._pool.lent(pulse) as connection, translated(FAULTS, url):
            session = connection.session()
            with within(patience(self._provider), connection.hang_up, "the file was not open", shown(url)):
                return SftpResponse(connection, session, url, offset, validator, self._pool.give_back)

    def rest(self) -> None:
        """See Opener."""
        self._pool.rest()

    def close(self) -> None:
        """See ProviderEdge."""
        self.rest()

    def _dial(self) -> paramiko.SFTPClient:
        origin, seconds = self._base.origin, patience(self._provider)
        sock = self._reach.connect(origin.host, origin.port, self._provider.connect_seconds)
        sock.settimeout(None)
        transport = paramiko.Transport(sock, default_window_size=1 << 26)
        try:
            with within(seconds, transport.close, "the sign-in did not end", origin.url):
                # paramiko has a limit for each step but the last: ours, for all of them, comes first.
                transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = seconds + 1
                transport.start_client()
                self._check_host(transport.get_remote_server_key())
                self._sign_in(transport)
                client = BoundedClient.from_transport(transport)
            if client is None:
                raise Unreachable("offers no SFTP", where=origin.url)
            client.get_channel().settimeout(self._provider.read_seconds)  # type: ignore[union-attr]
        except BaseException:
            transport.close()
            raise
        return client

    def _check_host(self, key: paramiko.PKey) -> None:
        """Raises Refused for a host that is not who we know."""
        origin = self._base.origin
        came = f"{key.get_name()} {key.get_base64()}"
        known = self._provider.host_key
        if known is not None:
            if " ".join(known.split()[:2]) != came:
                raise Refused("its host key is not the one in host_key", where=origin.url)
            return
        name = origin.host if origin.port == 22 else f"[{origin.host}]:{origin.port}"
        path = Path(self._environ.get("HOME") or Path.home()) / ".ssh/known_hosts"
        if path.is_file() and paramiko.HostKeys(str(path)).check(name, key):
            return
        digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
        raise Refused(f"its host key SHA256:{digest} is not known: put it in host_key or {path}", where=origin.url)


class SftpResponse:
    """See Response. A thread reads ahead, so that waiting can be ended at any time."""

    def __init__(
        self,
        connection: SftpConnection,
        sftp: paramiko.SFTPClient,
        url: str,
        offset: int,
        validator: str | None,
        give_back: Callable[[SftpConnection], None],
    ) -> None:
        self._connection, self._give_back = connection, give_back
        self.url, self.offset = url, offset
        self._file = sftp.open(unquote(urlsplit(url).path), "rb", bufsize=0)
        status = self._file.stat()
        self.size = status.st_size
        self.modified: float | None = float(status.st_mtime) if status.st_mtime is not None else None
        self.validator: str | None = f"{status.st_mtime}-{self.size}" if self.modified is not None else None
        self.checksum: str | None = None
        self.content_type: str | None = None
        if validator is not None and validator != self.validator:
            raise Changed("the file is not the one that was begun", where=shown(url))
        self._position = offset
        self._rest = memoryview(b"")
        self._ended = False
        self._closed = threading.Event()
        self._blocks: queue.Queue[bytes | BaseException] = queue.Queue(AHEAD)
        self._reader = threading.Thread(target=self._read_ahead, daemon=True, name="sftp reader")
        self._reader.start()

    def _read_ahead(self) -> None:
        try:
            for start in range(self.offset, self.size or 0, WINDOW):
                # Also when closed: the rest of a window is on its way, and paramiko's own thread still asks for it.
                for block in self._window(start):
                    self._put(block)
                if self._closed.is_set():
                    return
            self._put(b"")
        except Exception as error:  # noqa: BLE001 - raised again by the thread that reads
            self._put(error)

    def _window(self, start: int) -> Iterator[bytes]:
        end = min(start + WINDOW, self.size or 0)
        yield from self._file.readv([(at, min(REQUEST, end - at)) for at in range(start, end, REQUEST)])

    def _put(self, came: bytes | BaseException) -> None:
        """Hand over, unless nobody wants it any more."""
        while not self._closed.is_set():
            try:
                self._blocks.put(came, timeout=0.1)
                return
            except queue.Full:
                continue

    def readinto(self, buffer: memoryview) -> int | None:
        """See Response."""
        if self._connection.lease.lost:
            raise Unreachable("the lease of the connection ran out", where=shown(self.url))
        if self._ended:
            return 0
        if not self._rest:
            try:
                came = self._blocks.get(timeout=1)
            except queue.Empty:
                return None
            with translated(FAULTS, self.url):
                if isinstance(came, BaseException):
                    raise came
            self._rest = memoryview(came)
        count = min(len(self._rest), len(buffer))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        self._position += count
        if count == 0:
            if self.size is not None and self._position < self.size:
                raise Truncated(f"ended {self.size - self._position} bytes early", where=shown(self.url))
            self._ended = True
        return count

    def close(self) -> None:
        """See Response."""
        self._closed.set()
        if self._ended:
            with translated(FAULTS, self.url):
                self._file.close()
        else:
            self._reader.join(timeout=1)
            self._connection.hang_up()
        self._give_back(self._connection)


def _sign_in(provider: Provider, secrets: Secrets, host: str) -> Callable[[paramiko.Transport], object]:
    """Return what signs in on a transport. Raises DocumentError."""
    credentials = provider.credentials
    where = f"provider {provider.id}: credentials"
    if credentials is None and (plain := plain_login(provider)):
        return lambda transport: transport.auth_password(*plain.reveal())
    if credentials is None:
        raise DocumentError("required for protocol sftp: expected type key, basic or netrc", where=where)
    if credentials.type != "key" or not credentials.username or not credentials.private_key:
        login = login_of(provider, secrets, host)
        assert login is not None
        return lambda transport: transport.auth_password(*login.reveal())
    user = secrets.resolve(credentials.username, f"{where}.username").reveal()
    key = _key(secrets.resolve(credentials.private_key, f"{where}.private_key").reveal(), where)
    return lambda transport: transport.auth_publickey(user, key)


def _key(text: str, where: str) -> paramiko.PKey:
    kinds: tuple[type[paramiko.PKey], ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
    for kind in kinds:
        try:
            return kind.from_private_key(io.StringIO(text.strip() + os.linesep))
        except (paramiko.SSHException, ValueError, IndexError):
            continue
    raise DocumentError("private_key: not an Ed25519, ECDSA or RSA key without a passphrase", where=where)

"""User names and passwords of providers that are not HTTP."""

import netrc
from pathlib import Path

from pileus.documents import Provider
from pileus.edges.secrets import Secret, Secrets
from pileus.errors import DocumentError


class Login:
    """A user and a secret."""

    def __init__(self, user: str, password: Secret) -> None:
        self.user, self._password = user, password

    def reveal(self) -> tuple[str, str]:
        return self.user, self._password.reveal()


def login_of(provider: Provider, secrets: Secrets, host: str) -> Login | None:
    """Return the login that `basic` or `netrc` credentials hold for `host`; None without credentials.

    Raises DocumentError for other credentials, and for secrets that are missing.
    """
    credentials = provider.credentials
    where = f"provider {provider.id}: credentials"
    if credentials is None:
        return plain_login(provider)
    if credentials.type == "basic" and credentials.username and credentials.password:
        user = secrets.resolve(credentials.username, f"{where}.username").reveal()
        return Login(user, secrets.resolve(credentials.password, f"{where}.password"))
    if credentials.type == "netrc":
        entry = read_netrc(secrets, where).authenticators(host)
        if entry is None:
            raise DocumentError(f"the netrc file has nothing for {host}", where=where)
        return Login(entry[0], Secret(entry[2] or ""))
    words = f"type: {credentials.type} is not for protocol {provider.protocol}: expected basic or netrc"
    raise DocumentError(words, where=where)


def plain_login(provider: Provider) -> Login | None:
    """Return the login that stands in the document itself, as documents of Cumulus have it; None where there is none.

    Raises DocumentError for one that Cumulus has encrypted, and for one that is masked.
    """
    if provider.username is None:
        return None
    if provider.encrypted:
        told = "username and password are encrypted with a key of Cumulus that Pileus has not"
        raise DocumentError(f"{told}: write credentials with references to secrets", where=f"provider {provider.id}")
    if provider.is_masked:
        raise DocumentError("stars stand for its username and password", where=f"provider {provider.id}")
    password = provider.password.get_secret_value() if provider.password else ""
    return Login(provider.username.get_secret_value(), Secret(password))


def plain_warning(provider: Provider) -> str | None:
    """Return a warning where a password stands in the document itself, and the way to keep it elsewhere, else None."""
    if provider.password is None:
        return None
    if provider.encrypted:
        told = "its password is encrypted with a key of Cumulus, and nothing signs in with it"
    else:
        told = "its password stands in the document, where all can read it that can read the document"
    way = '"credentials": {"type": "basic", "username": {"secretsmanager": "NAME", "key": "username"}, "password": '
    way += '{"secretsmanager": "NAME", "key": "password"}}'
    return f"provider {provider.id}: {told}: keep it in Secrets Manager, and write {way}"


def read_netrc(secrets: Secrets, where: str) -> netrc.netrc:
    """Return the file that the environment names in NETRC, else ~/.netrc. Raises DocumentError."""
    home = Path(secrets.environ.get("HOME") or Path.home())
    path = Path(secrets.environ.get("NETRC") or home / ".netrc")
    try:
        return netrc.netrc(str(path))
    except FileNotFoundError as exc:
        raise DocumentError(f"there is no {path}", where=where) from exc
    except netrc.NetrcParseError as exc:
        raise DocumentError(f"{path} cannot be understood at line {exc.lineno}", where=where) from None
    except OSError as exc:
        raise DocumentError(f"{path} cannot be read: {exc.strerror}", where=where) from exc

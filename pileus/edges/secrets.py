"""Secrets by reference: from Secrets Manager, the SSM parameter store or the environment."""

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pileus.documents import SecretRef
from pileus.edges.aws_errors import translated
from pileus.errors import DocumentError, StoreError, Unavailable
from pileus.strict_json import parse_json

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient


class Secret:
    """A secret value that is hidden in prints, logs and formatted text, which show stars.

    >>> secret = Secret("open sesame")
    >>> f"{secret} {secret!r}", secret.reveal()
    ("*** Secret('***')", 'open sesame')
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return "Secret('***')"

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not written down")


class Secrets:
    """Resolves references. Values are read once and kept in memory; after `forget` they are read again (after a
    rotation).

    `secretsmanager`, `ssm`: make the client when it is first needed. `environ`: the environment, also for `.netrc`.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        secretsmanager: "Callable[[], SecretsManagerClient] | None" = None,
        ssm: "Callable[[], SSMClient] | None" = None,
    ) -> None:
        self.environ = environ
        self._secretsmanager, self._ssm = secretsmanager, ssm
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}

    def resolve(self, ref: SecretRef, where: str) -> Secret:
        """Return the secret that `ref` names. `where`: the place in the document, for the error.

        Raises DocumentError, which names the reference and never a value; Unavailable when AWS cannot be reached.
        """
        place = ref.model_dump_json(exclude_none=True, exclude={"key"})
        with self._lock:
            if place not in self._known:
                self._known[place] = self._fetch(ref, where)
            text = self._known[place]
        # Editors and consoles add a line end, which no header and no login may have.
        return Secret((text if ref.key is None else _part(text, ref.key, where)).rstrip("\r\n"))

    def forget(self) -> None:
        with self._lock:
            self._known.clear()

    def _fetch(self, ref: SecretRef, where: str) -> str:
        if ref.env is not None:
            if not self.environ.get(ref.env):
                raise DocumentError(f"the environment variable {ref.env} is not set", where=where)
            return self.environ[ref.env]
        try:
            with translated(_place(ref), "AWS"):
                if ref.secretsmanager is not None and self._secretsmanager is not None:
                    return self._secretsmanager().get_secret_value(SecretId=ref.secretsmanager)["SecretString"]
                if ref.ssm is not None and self._ssm is not None:
                    return self._ssm().get_parameter(Name=ref.ssm, WithDecryption=True)["Parameter"]["Value"]
        except Unavailable:
            raise  # it passes, and nothing is wrong with the document
        except StoreError as exc:
            raise DocumentError(f"{_place(ref)} cannot be read: {exc.code or exc.message}", where=where) from exc
        except KeyError as exc:
            raise DocumentError(f"{_place(ref)} holds no text", where=where) from exc
        raise DocumentError(f"{_place(ref)} needs AWS, which this command does not use", where=where)


def _place(ref: SecretRef) -> str:
    return f"the secret {ref.secretsmanager}" if ref.secretsmanager else f"the parameter {ref.ssm}"


def _part(text: str, key: str, where: str) -> str:
    try:
        value = parse_json(text)
        if isinstance(value, dict) and isinstance(value.get(key), str):
            return str(value[key])
    except ValueError:
        pass
    raise DocumentError(f"the secret is not a JSON object with a text under {key!r}", where=where) from None

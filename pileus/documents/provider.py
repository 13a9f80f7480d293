"""The provider: a place that offers files, and how to sign in."""

from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from pileus.documents.base import NAME, Document
from pileus.errors import UsageError
from pileus.protocols import REGISTERED, protocol_of


def _known(name: str) -> str:
    try:
        return protocol_of(name).name
    except UsageError as exc:
        raise ValueError(exc.message) from exc


Protocol = Annotated[str, AfterValidator(_known), WithJsonSchema({"enum": list(REGISTERED), "type": "string"})]


class SecretRef(Document):
    """Where a secret is kept; never the secret."""

    secretsmanager: str | None = None
    """Id of a Secrets Manager secret."""
    ssm: str | None = None
    """Name of an SSM parameter."""
    env: str | None = None
    """Name of an environment variable."""
    key: str | None = None
    """Key inside a secret that is a JSON object."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(place is not None for place in (self.secretsmanager, self.ssm, self.env)) != 1:
            raise ValueError("expected exactly one of secretsmanager, ssm, env")
        return self


class Credentials(Document):
    """How to sign in."""

    type: Literal["basic", "bearer", "oauth2_password", "oauth2_client", "earthdata", "netrc", "key", "aws"]
    username: SecretRef | None = None
    password: SecretRef | None = None
    token: SecretRef | None = None
    token_url: str | None = None
    client_id: SecretRef | None = None
    client_secret: SecretRef | None = None
    scope: str | None = None
    private_key: SecretRef | None = None
    access_key: SecretRef | None = None
    secret_key: SecretRef | None = None

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        needs = {
            "basic": ("username", "password"),
            "bearer": ("token",),
            "oauth2_password": ("token_url", "username", "password"),
            "oauth2_client": ("token_url", "client_id", "client_secret"),
            "earthdata": ("username", "password"),
            "netrc": (),
            "key": ("username", "private_key"),
            "aws": ("access_key", "secret_key"),
        }[self.type]
        if lacking := [need for need in needs if getattr(self, need) is None]:
            raise ValueError(f"{self.type} needs {', '.join(lacking)}")
        return self


class Provider(Document):
    """A place that offers files."""

    id: str = Field(pattern=NAME)
    protocol: Protocol
    host: str = ""
    """Host name, bucket for s3, empty or a folder for file; a whole URL, as the oldest documents have, is accepted."""
    port: int | None = Field(None, ge=1, le=65535)
    globalConnectionLimit: int = Field(10, ge=1, le=1000)
    """Connections over all workers together."""
    credentials: Credentials | None = None
    allowedRedirects: tuple[str, ...] = ()
    """Hosts (with port where it is not the usual one) that a redirect may lead to with credentials."""
    endpoint: str | None = None
    """s3 only: another endpoint than AWS's."""
    requester_pays: bool = False
    ca_file: str | None = None
    """PEM file of the authority that signed the provider's certificate."""
    host_key: str | None = None
    """sftp only: the host's public key as `ssh-keyscan` prints it, without the name; None: ~/.ssh/known_hosts."""
    connect_seconds: float = Field(10, gt=0)
    read_seconds: float = Field(60, gt=0)
    total_seconds: float = Field(6 * 3600, gt=0)
    """Longest time for one file."""
    attempts: int = Field(8, ge=1, le=100)
    """Times in a row that a file or listing is tried before its error counts, with growing pauses."""
    min_bytes_per_second: float = Field(1000, ge=0)
    """Slower than this over a minute counts as a fault."""
    meta: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _scheme_agrees(self) -> Self:
        scheme = urlsplit(self.host).scheme if "://" in self.host else ""
        if scheme and scheme != self.protocol:
            raise ValueError(f"host: begins with {scheme}:// but protocol is {self.protocol}")
        if not self.host and protocol_of(self.protocol).needs_host:
            raise ValueError(f"host: required for protocol {self.protocol}")
        return self

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
    """Name or ARN of a secret in Secrets Manager. Exactly one of this, `ssm` and `env` is given. Example: `"eog"`."""
    ssm: str | None = None
    """Name of a parameter of the SSM Parameter Store. Example: `"/pileus/eog"`."""
    env: str | None = None
    """Name of an environment variable. Example: `"EOG_PASSWORD"`."""
    key: str | None = None
    """Key inside a secret that is a JSON object. Without it: the secret is the text itself. Example: `"password"`."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(place is not None for place in (self.secretsmanager, self.ssm, self.env)) != 1:
            raise ValueError("expected exactly one of secretsmanager, ssm, env")
        return self


class Credentials(Document):
    """How to sign in."""

    type: Literal["basic", "bearer", "oauth2_password", "oauth2_client", "earthdata", "netrc", "key", "aws"]
    """Way to sign in; docs/providers.md lists what each needs and sends. Example: `"basic"`."""
    username: SecretRef | None = None
    """User name, for `basic`, `oauth2_password`, `earthdata` and `key`. Example: `{"env": "EOG_USERNAME"}`."""
    password: SecretRef | None = None
    """Password, for `basic`, `oauth2_password` and `earthdata`. Example: `{"env": "EOG_PASSWORD"}`."""
    token: SecretRef | None = None
    """Token, for `bearer`. Example: `{"env": "ARCHIVE_TOKEN"}`."""
    token_url: str | None = None
    """Address that gives tokens, for `oauth2_password` and `oauth2_client`. Example:
    `"https://auth.example.org/token"`."""
    client_id: SecretRef | None = None
    """Client id, for `oauth2_client`, and for `oauth2_password` where the provider wants one. Example: `{"env":
    "EOG_CLIENT_ID"}`."""
    client_secret: SecretRef | None = None
    """Client secret, with `client_id`. Example: `{"env": "EOG_CLIENT_SECRET"}`."""
    scope: str | None = None
    """OAuth scope that is asked for. Without it: none is. Example: `"openid"`."""
    private_key: SecretRef | None = None
    """Private key in PEM form, for `key` (sftp). Example: `{"secretsmanager": "sftp", "key": "private_key"}`."""
    access_key: SecretRef | None = None
    """AWS access key id, for `aws` (s3). Example: `{"env": "ARCHIVE_ACCESS_KEY"}`."""
    secret_key: SecretRef | None = None
    """AWS secret access key, for `aws` (s3). Example: `{"env": "ARCHIVE_SECRET_KEY"}`."""

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
    """Name of the provider, which collections and rules use: letters, digits, `_`, `.` and `-`. Example:
    `"viirs_provider"`."""
    protocol: Protocol
    """Protocol that the provider speaks. Example: `"https"`."""
    host: str = ""
    """Host name; the bucket for s3; empty or a folder, of the project or of the machine, for file. A whole URL, as
    older Cumulus documents have, is accepted. Example: `"eogdata.mines.edu"`."""
    port: int | None = Field(None, ge=1, le=65535)
    """Port that it listens on. Without it: the usual one of the protocol. Example: `8443`."""
    globalConnectionLimit: int = Field(10, ge=1, le=1000)
    """Most connections to it at once, over all workers together. Example: `10`."""
    credentials: Credentials | None = None
    """How to sign in, with references to secrets. Without it: nothing is sent, except that s3 takes the machine's
    keys, where it has some. Example: `{"type": "netrc"}`."""
    allowedRedirects: tuple[str, ...] = ()
    """Hosts (with port where it is not the usual one) that a redirect may lead to with credentials. Example:
    `["urs.earthdata.nasa.gov"]`."""
    allowPrivate: bool = False
    """Whether connections may lead to private addresses: of this machine and of inner networks. A host that is such
    an address itself is allowed anyway; link-local and metadata addresses never are. Example: `true`."""
    endpoint: str | None = None
    """s3 only: another endpoint than AWS's. Without it: AWS's. Example: `"https://s3.example.org"`."""
    requester_pays: bool = False
    """s3 only: whether requests say that you pay for them. Example: `true`."""
    ca_file: str | None = None
    """PEM file of the authority that signed the provider's certificate. Without it: the authorities that the system
    trusts. Example: `"/etc/ssl/archive.pem"`."""
    host_key: str | None = None
    """sftp only: the host's public key as `ssh-keyscan` prints it, without the name. Without it: ~/.ssh/known_hosts
    has it. Example: `"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"`."""
    connect_seconds: float = Field(10, gt=0)
    """Seconds to wait for a connection. Example: `10`."""
    read_seconds: float = Field(60, gt=0)
    """Seconds without a byte after which a connection counts as broken. Example: `60`."""
    total_seconds: float = Field(6 * 3600, gt=0)
    """Seconds that one file may take. Example: `3600`."""
    attempts: int = Field(8, ge=1, le=100)
    """Tries in a row without a new byte before an error of a file or a listing counts, with growing pauses. Example:
    `8`."""
    min_bytes_per_second: float = Field(1000, ge=0)
    """Bytes a second, over a minute, below which a connection counts as broken. 0: never. Example: `1000`."""
    meta: dict[str, Any] = Field(default_factory=dict)
    """Any keys of your own; Pileus keeps them and does not read them. Example: `{"contact":
    "archive@example.org"}`."""

    @model_validator(mode="after")
    def _scheme_agrees(self) -> Self:
        scheme = urlsplit(self.host).scheme if "://" in self.host else ""
        if scheme and scheme != self.protocol:
            raise ValueError(f"host: begins with {scheme}:// but protocol is {self.protocol}")
        if not self.host and protocol_of(self.protocol).needs_host:
            raise ValueError(f"host: required for protocol {self.protocol}")
        return self

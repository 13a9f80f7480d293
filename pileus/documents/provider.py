"""The provider: a place that offers files, and how to sign in."""

from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    SecretStr,
    SerializationInfo,
    WithJsonSchema,
    model_validator,
)

from pileus.documents.base import PATH_NAME, Document
from pileus.errors import UsageError
from pileus.protocols import REGISTERED, protocol_of

MASK = "********"
"""Stands for a secret of a document wherever the document is shown."""
REVEAL = "reveal"


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


def _written(value: SecretStr, info: SerializationInfo) -> str:
    return value.get_secret_value() if (info.context or {}).get(REVEAL) else MASK


Plain = Annotated[SecretStr, PlainSerializer(_written, return_type=str, when_used="json")]
"""A secret that stands in a document itself. It is written as `MASK`, except where the context of the writing has
`REVEAL`.
"""


class Provider(Document):
    """A place that offers files."""

    id: str = Field(pattern=PATH_NAME, max_length=128)
    """Name of the provider, which collections and rules use: letters, digits, `_`, `.`, `-`, and `/` between them.
    Example: `"viirs_provider"`."""
    protocol: Protocol
    """Protocol that the provider speaks. Example: `"https"`."""
    host: str = ""
    """Host name; the bucket for s3; the address of the landing page for stac; empty or a folder, of the project or of
    the machine, for file. A whole URL, as older Cumulus documents have, is accepted. Example: `"eogdata.mines.edu"`."""
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
    maxDownloadTime: int | None = Field(default=None, ge=1)
    """Seconds that one file may take, as Cumulus names them; the shorter of the two counts. Without it:
    `total_seconds`. Example: `900`."""
    attempts: int = Field(8, ge=1, le=100)
    """Tries in a row without a new byte before an error of a file or a listing counts, with growing pauses. Example:
    `8`."""
    min_bytes_per_second: float = Field(1000, ge=0)
    """Bytes a second, over a minute, below which a connection counts as broken. 0: never. Example: `1000`."""
    username: Plain | None = None
    """User name, for sign-in of type `basic`, where there are no `credentials`; is shown nowhere. `credentials` keep
    it out of the document. Without it: nothing. Example: `"reader"`."""
    password: Plain | None = None
    """Password to `username`; is shown nowhere, and `pileus populate` warns of it. Without it: empty. Example:
    `"correct horse battery staple"`."""
    encrypted: bool = False
    """Whether a key of Cumulus has encrypted `username` and `password`. Pileus has no such key: nothing signs in with
    them. Example: `true`."""
    privateKey: str | None = None
    """Kept and not used: name of a file with a key for sftp, in a bucket of Cumulus. Without it: nothing. Example:
    `"sftp-key.pem"`."""
    cmKeyId: str | None = None
    """Kept and not used: key of AWS KMS that `privateKey` is encrypted with. Without it: nothing. Example:
    `"alias/sftp"`."""
    certificateUri: str | None = None
    """Kept and not used: address of a certificate in S3; `ca_file` names one that is used. Without it: nothing.
    Example: `"s3://pileus-internal/certificate.pem"`."""
    createdAt: int | None = None
    """Milliseconds since 1970 at which Cumulus made the document; kept and not used. Without it: not said. Example:
    `1717200000000`."""
    updatedAt: int | None = None
    """Milliseconds since 1970 at which Cumulus changed it; kept and not used. Without it: not said. Example:
    `1717200000000`."""
    meta: dict[str, Any] = Field(default_factory=dict)
    """Any keys of your own; Pileus keeps them and does not read them. Example: `{"contact":
    "archive@example.org"}`."""

    @property
    def file_seconds(self) -> float:
        """Return the seconds that one file may take."""
        return min(self.total_seconds, self.maxDownloadTime or self.total_seconds)

    @property
    def signs_in(self) -> bool:
        """Return whether it is sent anything to sign in with."""
        return self.credentials is not None or self.username is not None

    @property
    def is_masked(self) -> bool:
        """Return whether stars stand for its user name or its password."""
        return any(one is not None and one.get_secret_value() == MASK for one in (self.username, self.password))

    def revealed(self) -> dict[str, Any]:
        """Return the document as JSON with its plain secrets, for where only Pileus itself reads it."""
        return self.model_dump(mode="json", exclude_defaults=True, context={REVEAL: True})

    @model_validator(mode="after")
    def _scheme_agrees(self) -> Self:
        scheme = urlsplit(self.host).scheme if "://" in self.host else ""
        if scheme and scheme not in (self.protocol, *protocol_of(self.protocol).carriers):
            raise ValueError(f"host: begins with {scheme}:// but protocol is {self.protocol}")
        if not self.host and protocol_of(self.protocol).needs_host:
            raise ValueError(f"host: required for protocol {self.protocol}")
        return self

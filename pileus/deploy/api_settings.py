"""Settings of the HTTP API on AWS: the section `api` of the settings of a deployment."""

import re
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from pileus.api.sign_in import RoleName, SignIn

NAME = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
"""Of a host, in small letters."""


class ApiSettings(BaseModel):
    """An HTTP API in front of a Lambda that runs the worker's image."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sign_in: SignIn | None = None
    """Whose access tokens count: an issuer such as Cognito, and the roles of its groups. Without it only signed
    requests (SigV4) get in. Example: `{"issuer": "https://login.example.org", "audience": ["pileus"], "groups":
    {"operators": "operate"}}`."""
    signed: tuple[RoleName, ...] = ("read", "operate", "admin")
    """Roles that a signed request may have, each below `/signed/ROLE/`: IAM says who may invoke which. Example:
    `["read"]`."""
    domain_names: tuple[str, ...] = ()
    """Names by which the API is called beside the one that AWS gives it: custom domain names that are mapped to it.
    Example: `["pileus.example.org"]`."""
    rate: int = Field(50, ge=1, le=10_000)
    """Requests a second, of all who ask, over a while; more are answered 429. Example: `50`."""
    burst: int = Field(100, ge=1, le=5_000)
    """Requests at once. Example: `100`."""
    memory: int = Field(2048, ge=512, le=10_240)
    """MiB of the Lambda; its processors grow with them. Example: `2048`."""
    slow_seconds: float = Field(5, gt=0, le=29)
    """An alarm goes off when one of twenty answers takes longer. Example: `5`."""
    endpoint: Literal["on", "off"] = "on"
    """Whether the name that AWS gives it answers; `off` where only `domain_names` should. Example: `"off"`."""

    @field_validator("domain_names")
    @classmethod
    def _are_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not re.fullmatch(NAME, name):
                raise PydanticCustomError("settings", "{name} is no name of a host", {"name": repr(name)})
        return names

    @model_validator(mode="after")
    def _somebody_may_ask(self) -> Self:
        if self.sign_in is None and not self.signed:
            raise PydanticCustomError("settings", "nobody could ask: expected sign_in, signed, or both")
        if self.endpoint == "off" and not self.domain_names:
            raise PydanticCustomError("settings", "endpoint is off: expected domain_names")
        return self

"""Whose tokens the API takes: settings of an issuer of access tokens (OIDC, such as Cognito)."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pileus.api.roles import Role

RoleName = Literal["read", "operate", "admin"]
Algorithm = Literal["RS256", "ES256"]
HTTPS = r"^https://[A-Za-z0-9.-]+(:\d+)?(/[A-Za-z0-9._~/-]*)?$"


class SignIn(BaseModel):
    """An issuer, and what its groups may do here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field(pattern=HTTPS, max_length=500)
    """Address of the issuer, letter for letter as its tokens have it in `iss`. Example:
    `"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI"`."""
    audience: tuple[str, ...] = Field(min_length=1)
    """What tokens must be for: one of these in `aud`, or, in a token without `aud`, as `client_id`. With Cognito these
    are the ids of the app clients. Example: `["1example23456789"]`."""
    groups: dict[str, RoleName] = Field(min_length=1)
    """Role of each group; of several the highest counts. Who is in none of them is refused. Example:
    `{"pileus-readers": "read", "pileus-operators": "operate", "pileus-admins": "admin"}`."""
    groups_claim: str = Field("cognito:groups", min_length=1, max_length=200)
    """Claim with the groups: a list. With `scope` or `scp`, the words of a text count as well. Example: `"groups"`."""
    algorithms: tuple[Algorithm, ...] = Field(("RS256",), min_length=1)
    """Algorithms of signatures that count. Example: `["RS256", "ES256"]`."""
    keys: str | None = Field(None, pattern=HTTPS, max_length=500)
    """Address of the issuer's key set (JWKS). Without it: the issuer's, with `/.well-known/jwks.json`. Example:
    `"https://login.example.org/keys"`."""

    @field_validator("audience")
    @classmethod
    def _named(cls, audience: tuple[str, ...]) -> tuple[str, ...]:
        if not all(audience):
            raise ValueError("an audience is empty")
        return audience

    @model_validator(mode="after")
    def _groups_have_names(self) -> Self:
        if not all(self.groups):
            raise ValueError("groups: a group has no name")
        return self

    @property
    def keys_url(self) -> str:
        """Return the address of the key set."""
        return self.keys or f"{self.issuer.rstrip('/')}/.well-known/jwks.json"

    def role_of(self, groups: list[str]) -> Role | None:
        """Return the highest role of these groups; None where they have none.

        >>> given = {"issuer": "https://i.example.org", "audience": ["a"], "groups": {"r": "read", "o": "operate"}}
        >>> SignIn.model_validate(given).role_of(["r", "x", "o"]).name
        'operate'
        """
        return max((Role[self.groups[group]] for group in groups if group in self.groups), default=None)

"""The app in a Lambda, behind an HTTP API of API Gateway (events in its format 2.0).

Who asks:

1. Under `/signed/ROLE/` the gateway lets only requests in that carry a signature of AWS (SigV4), and whose signer's
   policy allows `execute-api:Invoke` there. Who signed is in the event, which no client writes, and the role is that of
   the route, so that IAM says who has which. The rest of the path is the app's own.
2. Everywhere else the app looks at tokens itself, as on a laptop; see jwt.py.

Whoever may invoke the function itself could say anything in an event: infra/api.py allows the gateway alone.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pileus.api.access import Principal
from pileus.api.app import Settings, create_app
from pileus.api.jwt import JwtAuthority, KeyRing
from pileus.api.problems import KIND, problem
from pileus.api.roles import Role
from pileus.api.sign_in import SignIn
from pileus.client.services import Services
from pileus.edges.aws import Aws
from pileus.edges.key_set import HttpsKeySets
from pileus.edges.logs import CloudWatchLogs
from pileus.wiring import wire

HOSTS = "PILEUS_API_HOSTS"
"""Environment variable: the names of the API, with commas between them."""
SIGN_IN = "PILEUS_SIGN_IN"
"""Environment variable: a SignIn as JSON; empty: no token counts."""
DEPLOYMENT = "PILEUS_DEPLOYMENT"
"""Environment variable: what costs are made from of the settings of the deployment, as JSON."""
ROUTE = re.compile(r"ANY (?P<prefix>/signed/(?P<role>read|operate|admin))/\{proxy\+\}")
"""Keys of the routes that ask for a signature."""
LONGEST = 6_000_000
"""Bytes of an answer as Lambda sends it on: it takes 6 MB, with what JSON and base64 add."""
TEXTS = [*DEFAULT_TEXT_MIME_TYPES, "application/problem+json", "application/geo+json", "application/schema+json"]


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request. The environment names the stack."""
    answer: dict[str, Any] = adapter()(event, context)
    return answer if _fits(answer) else _too_long()


@cache
def adapter() -> Mangum:
    """Return the app, made at the first event and kept while the Lambda is warm."""
    _write_audit()
    return adapted(app_of(os.environ))


def adapted(app: ASGIApp) -> Mangum:
    """Return an app as a function of events."""
    return Mangum(Signed(app), lifespan="off", text_mime_types=TEXTS)


def app_of(environ: Mapping[str, str]) -> ASGIApp:
    """Return the app of the stack that an environment names."""
    aws = Aws()
    edges = wire(environ, aws)
    services = Services(aws, edges, CloudWatchLogs(aws.logs, f"/pileus/{edges.stack.stack}/workers"))
    hosts = {name for name in environ.get(HOSTS, "").split(",") if name}
    deployment = SimpleNamespace(**json.loads(environ[DEPLOYMENT]))
    settings = Settings(hosts=lambda: hosts or None, deployment=lambda: deployment, secure=True, streams=False)
    return create_app(services, _authority(environ.get(SIGN_IN, "")), settings)


class NoTokens:
    """Knows nobody: only signed requests get in."""

    def principal(self, token: str) -> Principal | None:
        """Return None."""
        del token
        return None


def _authority(text: str) -> JwtAuthority | NoTokens:
    if not text:
        return NoTokens()
    sign_in = SignIn.model_validate_json(text)
    return JwtAuthority(sign_in, KeyRing(HttpsKeySets(sign_in.keys_url)))


class Signed:
    """Names who has signed a request, and takes the route's prefix for the place where the app stands.

    Nothing else sets who has signed: the scope is made anew from each event.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        event = scope["aws.event"]
        scope["path"] = event["requestContext"]["http"]["path"]  # decoded by the gateway; Mangum would do so again
        found = signer(event)
        if found is not None:
            scope.setdefault("state", {})["principal"], scope["root_path"] = found
            send = _at(scope["root_path"], send)
        await self._app(scope, receive, send)


def signer(event: Mapping[str, Any]) -> tuple[Principal, str] | None:
    """Return who has signed the request of an event, and the prefix of its path; None where the gateway has not checked
    a signature.

    >>> iam = {"userArn": "arn:aws:iam::123456789012:user/night"}
    >>> context = {"routeKey": "ANY /signed/operate/{proxy+}", "authorizer": {"iam": iam}}
    >>> context["http"] = {"path": "/signed/operate/v1/backfills"}
    >>> signer({"requestContext": context})
    (Principal(name='arn:aws:iam::123456789012:user/night', role=<Role.operate: 2>), '/signed/operate')
    """
    context = event.get("requestContext") or {}
    iam = (context.get("authorizer") or {}).get("iam") or {}
    route, arn = ROUTE.fullmatch(str(context.get("routeKey"))), iam.get("userArn")
    if route is None or not isinstance(arn, str) or not arn.startswith("arn:"):
        return None
    if not str(context["http"]["path"]).startswith(f"{route['prefix']}/"):
        return None
    return Principal(arn, Role[route["role"]]), route["prefix"]


def _at(prefix: str, send: Send) -> Send:
    """Return `send` with addresses of this app, in `Location`, below the prefix."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                (name, prefix.encode() + value if name.lower() == b"location" and value.startswith(b"/") else value)
                for name, value in message["headers"]
            ]
        await send(message)

    return sending


def _fits(answer: Mapping[str, Any]) -> bool:
    body = answer.get("body", "")
    return len(body) < LONGEST // 6 or len(json.dumps(body)) <= LONGEST  # a character becomes six at most


def _too_long() -> dict[str, Any]:
    """Return the answer in place of one that Lambda would not send on."""
    why = "the answer is longer than the 6 MB that a Lambda may send: ask for less, or read it from the bucket"
    told = problem(HTTPStatus.INSUFFICIENT_STORAGE, "AnswerTooLong", why)
    return {"statusCode": told.status_code, "headers": {"content-type": KIND}, "body": bytes(told.body).decode()}


def _write_audit() -> None:
    """Let the audit log go to the function's own, a line for each."""
    written = logging.StreamHandler(sys.stdout)
    written.setFormatter(logging.Formatter("%(message)s"))
    audit = logging.getLogger("pileus.audit")
    audit.setLevel(logging.INFO)
    audit.propagate = False
    audit.addHandler(written)

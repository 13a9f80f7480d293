"""Events of an HTTP API (format 2.0) as API Gateway sends them to a Lambda, and what a Lambda answers."""

import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlencode

HOST = "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
NIGHT = "arn:aws:sts::123456789012:assumed-role/night/i-0123456789abcdef0"
"""Who signs."""


def event(
    path: str,
    *,
    method: str = "GET",
    token: str = "",
    body: Any = None,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    cookies: list[str] | None = None,
    signed: str = "",
    route: str = "",
) -> dict[str, Any]:
    """An event, with all that AWS documents for it.

    `signed`: ARN of who has signed, as the gateway says it where a route asks for it; `route`: key of the route, if it
    is another than the path says. `body`: JSON, or bytes. The gateway decodes the path once.
    """
    path = unquote(path)
    raw = isinstance(body, bytes)
    text = base64.b64encode(body).decode() if raw else None if body is None else json.dumps(body)
    parts = path.split("/")
    below = f"ANY /signed/{parts[2]}/{{proxy+}}" if signed and parts[1] == "signed" else "$default"
    given = {
        "accept": "*/*",
        "content-length": str(len(body) if raw else len(text or "")),
        "content-type": "application/octet-stream" if raw else "application/json",
        "host": HOST,
        "user-agent": "curl/8.5.0",
        "x-amzn-trace-id": "Root=1-6925f7d4-1f0e4f9d3b8a4a7f2c9b6d11",
        "x-forwarded-for": "203.0.113.7",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    }
    given |= {"authorization": f"Bearer {token}"} if token else {}
    found: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route or below,
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": given | (headers or {}),
        "requestContext": {
            "accountId": "123456789012",
            "apiId": HOST.partition(".")[0],
            "domainName": HOST,
            "domainPrefix": HOST.partition(".")[0],
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "curl/8.5.0",
            },
            "requestId": "UxYzAbCdEfGhIjk=",
            "routeKey": route or below,
            "stage": "$default",
            "time": "27/Nov/2026:00:00:00 +0000",
            "timeEpoch": 1795737600000,
        },
        "isBase64Encoded": raw,
    }
    if signed:
        found["requestContext"]["authorizer"] = {"iam": _iam(signed)}
    return found | ({"body": text} if text is not None else {}) | ({"cookies": cookies} if cookies else {})


def _iam(arn: str) -> dict[str, Any]:
    return {
        "accessKey": "ASIAIOSFODNN7EXAMPLE",
        "accountId": "123456789012",
        "callerId": "AROAIOSFODNN7EXAMPLE:night",
        "cognitoIdentity": None,
        "principalOrgId": "aws:PrincipalOrgID",
        "userArn": arn,
        "userId": "AROAIOSFODNN7EXAMPLE:night",
    }


@dataclass(frozen=True)
class Answered:
    """What a Lambda answered, as the gateway sends it on."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: list[str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def answered(answer: dict[str, Any]) -> Answered:
    """Read the answer in the format 2.0."""
    assert isinstance(answer["statusCode"], int)
    body = answer.get("body", "")
    raw = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    return Answered(answer["statusCode"], answer.get("headers", {}), raw, answer.get("cookies", []))

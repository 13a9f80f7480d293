"""Signatures of AWS (SigV4) on requests to an API behind a gateway that asks for them."""

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from requests.auth import AuthBase

from pileus.errors import UsageError

if TYPE_CHECKING:
    from requests import PreparedRequest

SERVICE = "execute-api"
HOST = re.compile(r"\.execute-api\.([a-z0-9-]+)\.")
SIGNED_HEADERS = ("Content-Type",)
"""Those of the request's own that are signed, beside the host, the time and the session."""


def asks_for_one(url: str) -> bool:
    """Return whether an API's address is one below which requests are signed.

    >>> asks_for_one("https://a1.execute-api.eu-west-1.amazonaws.com/signed/read"), asks_for_one("http://127.0.0.1:8765")
    (True, False)
    """
    return urlsplit(url).path.startswith("/signed/")


class Signature(AuthBase):
    """Signs with the credentials that AWS's own tools would use, which may be renewed meanwhile.

    Raises UsageError where there are none, or where no region is known: the host names it, else AWS_REGION does.
    """

    def __init__(self, url: str) -> None:
        import boto3

        session = boto3.Session()
        found = HOST.search(urlsplit(url).netloc)
        region = found[1] if found else os.environ.get("AWS_REGION", session.region_name)
        if not region:
            raise UsageError("which region is it in? set AWS_REGION", where=url)
        credentials = session.get_credentials()
        if credentials is None:
            raise UsageError("requests to it are signed, and there are no AWS credentials to sign with", where=url)
        self._credentials, self._region = credentials, region

    def __call__(self, request: "PreparedRequest") -> "PreparedRequest":
        """Return the request with its signature, in place of a token."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        place, mark, query = str(request.url).partition("?")
        request.url = f"{place}{mark}{query.replace('+', '%20')}"  # a plus is a plus where signatures are computed
        given = {name: request.headers[name] for name in SIGNED_HEADERS if name in request.headers}
        made = AWSRequest(request.method, request.url, data=request.body or b"", headers=given)
        SigV4Auth(self._credentials.get_frozen_credentials(), SERVICE, self._region).add_auth(made)
        request.headers.update(dict(made.headers.items()))
        return request

"""One form sent to a sign-in service, over the connections that downloads use: the same authority, proxy and errors."""

import http.client
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from socket import socket
from urllib.parse import urlencode, urlsplit

from pileus.edges.providers.address import Origin, origin_of, shown
from pileus.edges.providers.faults import translated
from pileus.edges.providers.http_connection import FAULTS
from pileus.edges.providers.time_limit import shut, within

SECONDS = 30.0
"""How long an answer may take."""
LONGEST = 1 << 20
"""Bytes of an answer that are read."""


def post_form(dial: Callable[[Origin], socket], url: str, form: Mapping[str, str]) -> tuple[int, bytes]:
    """Send a form; return status and body of the answer. A redirect is not followed. Raises what FAULTS translates."""
    origin, parts = origin_of(url), urlsplit(url)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    with translated(FAULTS, url), closing(http.client.HTTPConnection(origin.host, origin.port)) as connection:
        connection.sock = dial(origin)
        connection.sock.settimeout(SECONDS)
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        with within(SECONDS, partial(shut, connection.sock), "the sign-in did not end", shown(url)):
            connection.request("POST", target, urlencode(form), headers)
            answer = connection.getresponse()
            return answer.status, answer.read(LONGEST)

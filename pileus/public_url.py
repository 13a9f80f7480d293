"""Addresses without what opens them: for manifests, STAC items, states, notes and messages.

What a worker still has to open keeps its whole address: the tasks in queues and in the bucket `internal`. A retry of a
failed partition lists the provider anew, and gets new signatures with that.
"""

from urllib.parse import unquote_plus, urlsplit, urlunsplit

SECRETS = (
    "signature", "credential", "token", "secret", "password", "passwd", "pwd", "policy", "authorization", "oauth",
    "session", "apikey", "api_key", "api-key", "access_key", "accesskey", "access-key", "accessid", "key-pair-id",
    "x-amz-", "x-goog-",
)  # fmt: skip
"""Parts of names of query parameters that sign or open something."""
UNSIGNED = ("s3://", "file://")
"""Addresses that have no query: all of it is the name of an object or a file."""
EXACTLY = ("sig", "key", "sas", "se", "st", "sp", "sv", "sr", "code", "auth", "jwt", "hmac", "expires")
"""Whole names of such parameters: those of shared access signatures among them."""


def public_url(url: str) -> str:
    """Return a URL without user, password, and parameters of the query that sign or open something.

    >>> public_url("https://me:pw@b.s3.amazonaws.com/k?versionId=3&X-Amz-Signature=ab&X-Amz-Credential=c")
    'https://b.s3.amazonaws.com/k?versionId=3'
    """
    if "://" not in url or url.startswith(UNSIGNED) or not ("?" in url or "@" in url):
        return url
    try:
        split = urlsplit(url)
    except ValueError:
        return url.partition("?")[0]
    query = "&".join(part for part in split.query.split("&") if not any(map(_is_secret, part.split(";"))))
    return urlunsplit((split.scheme, split.netloc.rpartition("@")[2], split.path, query, split.fragment))


def _is_secret(part: str) -> bool:
    name = unquote_plus(part.partition("=")[0]).lower()
    return name in EXACTLY or any(word in name for word in SECRETS)

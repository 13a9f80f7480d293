"""What the tasks of Cumulus are told: a provider, a collection, granules and a way to handle duplicates, checked.

A message may be anybody's. So its provider is only looked up: the one that was populated under its id counts, with its
secrets and its host. Its buckets are the stack's own.
"""

from collections.abc import Mapping, Sequence
from typing import Any, get_args
from urllib.parse import quote

from pileus.documents import Collection, File, Provider, parse_value
from pileus.edges.archives import Handling
from pileus.edges.providers.address import base_of
from pileus.errors import Denied, DocumentError, UsageError
from pileus.messages import part, text, text_or_none
from pileus.models import Listed
from pileus.names import FileName, one_line
from pileus.patterns import SearchPattern
from pileus.project.registry import Registry
from pileus.wiring import Edges

HANDLINGS: tuple[str, ...] = get_args(Handling)
ALGORITHMS = {"md5": "md5", "sha1": "sha1", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}
"""Our algorithm by Cumulus's `checksumType`, in small letters and without `-`."""
LONGEST = 1024
"""Bytes of a key."""
CKSUM = "cksum"
"""The algorithm whose value Cumulus writes as a decimal number."""


def config_of(event: Any) -> Mapping[str, Any]:
    """Return the config of an event. Raises UsageError where it is no object."""
    config = part(event, "config")
    if not isinstance(config, Mapping):
        raise UsageError("not an event of this task: config is no object")
    return config


def provider_of(edges: Edges, registry: Registry, event: Mapping[str, Any]) -> Provider:
    """Return the populated provider that `config.provider.id` names.

    Raises Unknown where there is none, DocumentError for one of protocol `file`, and Denied for one that is a bucket
    of the stack itself: a message could read by them what the machine or the stack keeps.
    """
    provider = registry.provider_named(text(event, "config", "provider", "id"))
    where = f"provider {provider.id}"
    if provider.protocol == "file":
        raise DocumentError("a task of Cumulus takes no files of a disk: expected another protocol", where=where)
    if provider.protocol == "s3" and _bucket(provider)[0] in (edges.stack.internal, edges.stack.protected):
        raise Denied("its bucket is the stack's own", where=where)
    return provider


def collection_of(registry: Registry, event: Mapping[str, Any], granule: Mapping[str, Any] | None = None) -> Collection:
    """Return the collection of `config.collection`; without it the populated one that the granule names.

    Raises DocumentError with the path of what is wrong, Unknown.
    """
    config = config_of(event)
    if config.get("collection") is not None:
        return parse_value(Collection, config["collection"], "config.collection")
    return registry.collection(*named(granule or {}))


def named(granule: Mapping[str, Any]) -> tuple[str, str]:
    """Return name and version of the collection that a granule says it is of. Raises DocumentError.

    >>> named({"collectionId": "MOD09GQ___006"}), named({"dataType": "MOD09GQ", "version": "006"})
    (('MOD09GQ', '006'), ('MOD09GQ', '006'))
    """
    id = text_or_none(granule, "collectionId")
    name, _, version = id.rpartition("___") if id else (text_or_none(granule, "dataType"), "", granule.get("version"))
    if not name or not isinstance(version, str) or not version:
        raise DocumentError("says no collection: expected dataType and version", where=_shown(granule))
    return name, version


def granules_of(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return `input.granules`, each with `granuleId` and `files`. Raises DocumentError with the path of what is
    wrong.
    """
    found = part(event, "input", "granules")
    if not isinstance(found, list):
        raise DocumentError("expected a list", where="input.granules")
    for number, granule in enumerate(found):
        where = f"input.granules[{number}]"
        if not isinstance(granule, Mapping) or not isinstance(granule.get("granuleId"), str):
            raise DocumentError("expected an object with granuleId and files", where=where)
        files = granule.get("files")
        if not isinstance(files, list) or not all(isinstance(file, Mapping) for file in files):
            raise DocumentError("files: expected a list of objects", where=where)
    return found


def handling_of(event: Mapping[str, Any], collection: Collection) -> Handling:
    """Return what is done with a file that is there already.

    1. `replace` where the message's `cumulus_meta.cumulus_context.forceDuplicateOverwrite` is true.
    2. `config.duplicateHandling`. 3. The collection's, which is `error` where it says nothing.
    """
    context = event
    for name in ("cumulus_config", "cumulus_context"):
        context = context.get(name) if isinstance(context, Mapping) else {}  # type: ignore[assignment]
    if isinstance(context, Mapping) and context.get("forceDuplicateOverwrite") is True:
        return "replace"
    return checked_handling(config_of(event).get("duplicateHandling"), "duplicateHandling") or (
        collection.duplicateHandling
    )


def checked_handling(value: Any, name: str) -> Handling | None:
    """Return a way to handle duplicates; None where there is none. Raises DocumentError."""
    if value is None:
        return None
    if value not in HANDLINGS:
        told = f"expected one of {', '.join(HANDLINGS)}, not {one_line(str(value), 40)!r}"
        raise DocumentError(told, where=f"config.{name}")
    found: Handling = value
    return found


def kinds_of(files: Sequence[File]) -> list[tuple[SearchPattern, File]]:
    """Return each kind of files with its expression, which Cumulus looks for anywhere in a name."""
    return [(SearchPattern(file.regex), file) for file in files]


def kind_of(kinds: Sequence[tuple[SearchPattern, File]], name: str) -> File | None:
    """Return the first kind that a name is of; None: it is of none. Raises DocumentError."""
    return next((file for pattern, file in kinds if pattern.first(name) is not None), None)


def key_of(*parts: str) -> str:
    """Return the key of an object from its parts. Raises DocumentError for one that leads upwards, cannot be shown or
    is longer than S3 takes.

    >>> key_of("file-staging/", "mine", "", "a.hdf")
    'file-staging/mine/a.hdf'
    """
    found = [step for one in parts for step in one.split("/") if step]
    if any(step in (".", "..") or not step.isprintable() for step in found):
        raise DocumentError("leads out of its folder, or cannot be shown", where=one_line("/".join(found)))
    key = "/".join(found)
    if len(key.encode()) > LONGEST:
        raise DocumentError(f"is longer than {LONGEST:,} bytes, the most of a key", where=one_line(key))
    return key


def url_of(provider: Provider, path: str, name: str) -> str:
    """Return the address of a file at a provider. `path`: its folder there, as a collection's `provider_path`."""
    if provider.protocol == "s3":
        bucket, prefix = _bucket(provider)
        joined = path.strip("/") if path.startswith("/") else f"{prefix}/{path}".strip("/")
        return f"s3://{bucket}/{quote(f'{joined}/{name}' if joined else name)}"
    base = base_of(provider)
    return base.url(f"{base.folder(path).rstrip('/')}/{name}")


def listed_of(provider: Provider, file: Mapping[str, Any]) -> Listed:
    """Return a file of a granule at the provider, with what the message says of its size and checksum.

    Raises UnsafeName, DocumentError.
    """
    name, path = FileName(text(file, "name")), text(file, "path")
    size = file.get("size")
    known = size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None
    return Listed(name, url_of(provider, path, name), known, checksum=checksum_of(file))


def checksum_of(file: Mapping[str, Any]) -> str | None:
    """Return `algorithm:hex` of what a message says of a file; None where it says nothing. Raises DocumentError.

    >>> checksum_of({"checksumType": "SHA-1", "checksum": "AB"})
    'sha1:ab'
    >>> checksum_of({"checksumType": "cksum", "checksum": 255})
    'cksum:000000ff'
    """
    kind, value = file.get("checksumType"), file.get("checksum")
    if not kind or value is None or value == "":
        return None
    plain = str(kind).lower().replace("-", "")
    where = one_line(str(file.get("name") or file.get("fileName")))
    if plain == CKSUM:
        if not str(value).isdecimal() or int(value) >= 1 << 32:
            raise DocumentError("checksum: expected a whole number, as cksum prints it", where=where)
        return f"{CKSUM}:{int(value):08x}"
    if plain not in ALGORITHMS:
        expected = ", ".join((*ALGORITHMS, CKSUM))
        raise DocumentError(f"checksumType: expected one of {expected}, not {one_line(str(kind), 40)!r}", where=where)
    return f"{ALGORITHMS[plain]}:{str(value).lower()}"


def told_checksum(checksum: str | None) -> dict[str, str]:
    """Return a checksum as files of Cumulus have it; nothing for None.

    >>> told_checksum("cksum:000000ff"), told_checksum("md5:ab")
    ({'checksumType': 'cksum', 'checksum': '255'}, {'checksumType': 'md5', 'checksum': 'ab'})
    """
    if checksum is None:
        return {}
    kind, _, value = checksum.partition(":")
    return {"checksumType": kind, "checksum": str(int(value, 16)) if kind == CKSUM else value}


def _bucket(provider: Provider) -> tuple[str, str]:
    """Return bucket and prefix of a provider that speaks s3."""
    bucket, _, prefix = provider.host.removeprefix("s3://").partition("/")
    return bucket, prefix.strip("/")


def _shown(granule: Mapping[str, Any]) -> str:
    return f"granule {one_line(str(granule.get('granuleId')), 80)}"

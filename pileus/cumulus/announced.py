"""Files that a Cumulus message announces: of a CNM, or of `payload.granules`."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from pileus.cumulus.cnm import ALGORITHMS, is_cnm, read_cnm
from pileus.discover import Lister
from pileus.errors import DocumentError, NotFound
from pileus.models import Listed, Problem, listed


def announced(payload: Any, folder_url: Callable[[str], str]) -> list[Listed]:
    """Return the files of a message's payload. `folder_url`: gives the address of a path at the provider.

    A CNM names each by its `uri`. A granule of DiscoverGranules has files with `path` and `name`, one of SyncGranule
    files with `bucket` and `key`. Raises DocumentError with the path of what is wrong.
    """
    if is_cnm(payload):
        return [one.listed for one in read_cnm(payload).product.all_files]
    granules = payload.get("granules") if isinstance(payload, Mapping) else None
    if not isinstance(granules, list) or not granules:
        raise DocumentError("expected a CNM, or granules: a list of granules with files", where="payload")
    found = [
        _file(file, folder_url, f"payload.granules[{number}].files[{place}]")
        for number, granule in enumerate(granules)
        for place, file in enumerate(_files(granule, f"payload.granules[{number}]"))
    ]
    return list(dict.fromkeys(found))


def _files(granule: Any, where: str) -> list[Any]:
    files = granule.get("files") if isinstance(granule, Mapping) else None
    if not isinstance(files, list):
        raise DocumentError("files: expected a list", where=where)
    return files


def _file(file: Any, folder_url: Callable[[str], str], where: str) -> Listed:
    if not isinstance(file, Mapping):
        raise DocumentError("expected an object", where=where)
    name = (
        _text(file, "name", where)
        or _text(file, "fileName", where)
        or (_text(file, "key", where) or "").rpartition("/")[2]
    )
    bucket, key, path = (_text(file, one, where) for one in ("bucket", "key", "path"))
    url = _text(file, "uri", where) or _text(file, "url", where)
    if url is None and bucket and key:
        url = f"s3://{bucket}/{key}"
    elif url is None and path is not None:
        url = f"{folder_url(path)}{name}"
    if not name or not url:
        raise DocumentError("expected name and path, or bucket and key, or uri", where=where)
    size, kind, checksum = file.get("size"), file.get("checksumType"), _text(file, "checksum", where)
    algorithm = ALGORITHMS.get(str(kind or "md5").lower().replace("-", ""))
    made = listed(name, url, size if isinstance(size, int) else None)
    if isinstance(made, Problem):
        raise DocumentError(f"{made.name}: {made.detail}", where=where)
    return Listed(
        made.name, made.url, made.size, checksum=f"{algorithm}:{checksum.lower()}" if checksum and algorithm else None
    )


def _text(file: Mapping[str, Any], name: str, where: str) -> str | None:
    found = file.get(name)
    if found is not None and not isinstance(found, str):
        raise DocumentError(f"{name}: expected a text", where=where)
    return found


class WithAnnounced:
    """A provider's listings, and the files that were announced and are in none of them."""

    def __init__(self, lister: Lister, files: list[Listed]) -> None:
        self._lister, self._files = lister, files

    def list(self, path: str) -> Iterator[Listed | Problem]:
        """Yield what the provider lists, and then the announced files that it does not. A folder that is not there is
        empty.
        """
        awaited = {file.name: file for file in self._files}
        with suppress(NotFound):
            for entry in self._lister.list(path):
                if isinstance(entry, Listed) and entry.name in awaited:
                    del awaited[entry.name]
                yield entry
        yield from awaited.values()

    def describe(self, file: Listed) -> Listed:
        return self._lister.describe(file)

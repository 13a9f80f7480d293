"""Objects of the embedded S3 on disk: the folder of a bucket holds its objects, and nothing else.

MiniStack writes what it knows of an object (type, entity tag, versions) into a file beside it, and an object that is
not whole yet too. Programs that read a whole folder, such as pandas, would take both for data. So these files lie in a
folder of their own, in the same tree.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BESIDE = (".meta.json", ".tmp")
"""Endings of the files that are no objects. MiniStack gives no object such a name: it encodes a key that ends so."""


def keep(s3: Any, metadata: Path) -> None:
    """Make MiniStack's S3, the module `s3`, keep its objects in its folder, with what it knows of them in `metadata`,
    and load what is there. What an older Pileus left beside the objects is moved.

    `s3` must have been imported without S3_PERSIST, or it has loaded its folder already.
    """
    apart = _Apart(Path(s3.DATA_DIR).resolve(), metadata.resolve())
    _move(apart)
    s3.DATA_DIR, s3.S3_PERSIST = apart.objects, True
    s3.os, s3.open = _Os(apart), apart.opened
    remove = s3._delete_persisted_bucket

    def delete_bucket(name: str) -> None:
        remove(name)
        if name:
            shutil.rmtree(apart.of(f"{apart.objects}/{s3.get_account_id()}/{name}"), ignore_errors=True)

    s3._delete_persisted_bucket = delete_bucket
    s3._load_persisted_data()


def _move(apart: "_Apart") -> None:
    for folder, _, names in os.walk(apart.objects):
        for name in names:
            if name.endswith(BESIDE):
                path = f"{folder}/{name}"
                Path(apart.made(path)).unlink(missing_ok=True)
                Path(path).rename(apart.made(path))


class _Apart:
    """Where each file lies. Paths are texts, as MiniStack's are."""

    def __init__(self, objects: Path, metadata: Path) -> None:
        self.objects, self.metadata = str(objects), str(metadata)

    def of(self, folder: str) -> str:
        """Return the folder for what stands beside the objects of `folder`."""
        return self.metadata + folder.removeprefix(self.objects)

    def at(self, path: str) -> str:
        """Return where the file `path` lies."""
        return self.of(path) if path.endswith(BESIDE) and path.startswith(f"{self.objects}/") else path

    def made(self, path: str) -> str:
        """Return the same, with its folder made."""
        place = self.at(path)
        if place != path:
            Path(place).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return place

    def opened(self, path: str, *how: Any) -> Any:
        return Path(self.at(path)).open(*how)


class _Os:
    """The module `os`, which finds files where they lie."""

    def __init__(self, apart: _Apart) -> None:
        self._apart = apart
        self.path = _Path(apart)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: str, flags: int, mode: int) -> int:
        try:
            return os.open(self._apart.at(path), flags, mode)
        except FileNotFoundError:
            return os.open(self._apart.made(path), flags, mode)

    def remove(self, path: str) -> None:
        Path(self._apart.at(path)).unlink()

    def replace(self, source: str, target: str) -> None:
        Path(self._apart.at(source)).replace(self._apart.at(target))

    def listdir(self, folder: str) -> list[str]:
        both = (Path(folder), Path(self._apart.of(folder)))
        return sorted({path.name for place in both if place.is_dir() for path in place.iterdir()})

    def walk(self, folder: str) -> Iterator[tuple[str, list[str], list[str]]]:
        yield from os.walk(folder)
        beside = self._apart.of(folder)
        for place, folders, names in os.walk(beside):
            yield folder + place.removeprefix(beside), folders, names


class _Path:
    """The module `os.path`, likewise."""

    def __init__(self, apart: _Apart) -> None:
        self._apart = apart

    def __getattr__(self, name: str) -> Any:
        return getattr(os.path, name)

    def isfile(self, path: str) -> bool:
        return Path(self._apart.at(path)).is_file()

    def exists(self, path: str) -> bool:
        return Path(self._apart.at(path)).exists()

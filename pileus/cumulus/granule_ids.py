"""`granuleIdExtraction` of Cumulus: the id of the granule that a file belongs to, out of the file's name.

As in Cumulus the expression need not match the whole name, and its first group is the id; without a group it is all
that matches. Files of one id are one granule.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from pileus.errors import DocumentError
from pileus.patterns import SearchPattern

F = TypeVar("F")


class GranuleIds:
    """Ids by the expressions of one collection. `extraction`: None: the id is the file's name. `check`: the expression
    that each id must match; None: any will do. Raises DocumentError for what is no regular expression.
    """

    def __init__(self, extraction: str | None, check: str | None = None) -> None:
        self._extraction = SearchPattern(extraction) if extraction else None
        self._check = SearchPattern(check) if check else None

    def id_of(self, name: str) -> str:
        """Return the id of the granule that a file of this name belongs to. Raises DocumentError, which names file and
        expression.

        >>> GranuleIds(r"(MOD09GQ\\..*)(\\.hdf|\\.cmr)").id_of("MOD09GQ.A2017025.hdf.met")
        'MOD09GQ.A2017025'
        """
        id = name
        if self._extraction is not None:
            found = self._extraction.first(name)
            if not found:
                raise DocumentError(
                    f"granuleIdExtraction {self._extraction.pattern!r} finds no granule id in it", where=name
                )
            id = found
        if self._check is not None and self._check.first(id) is None:
            raise DocumentError(f"its granule id {id!r} does not match granuleId {self._check.pattern!r}", where=name)
        return id

    def by_id(self, files: Iterable[F], name: Callable[[F], str]) -> dict[str, list[F]]:
        """Return the files of each granule, both in the order of `files`. `name`: of a file. Raises DocumentError.

        >>> GranuleIds("(.*)[.]").by_id(["a.hdf", "b.hdf", "a.xml"], str)
        {'a': ['a.hdf', 'a.xml'], 'b': ['b.hdf']}
        """
        found: dict[str, list[F]] = {}
        for file in files:
            found.setdefault(self.id_of(name(file)), []).append(file)
        return found

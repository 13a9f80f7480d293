"""What a collection of Cumulus must agree in: checked when the document is read, as Cumulus does."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator

from pileus.cumulus.granule_ids import GranuleIds
from pileus.cumulus.url_path import check_template
from pileus.errors import DocumentError


def _template(text: str) -> str:
    check_template(text)
    return text


UrlPath = Annotated[str, AfterValidator(_template)]
"""A template of Cumulus whose functions are known, in a document."""


def check_granule_ids(extraction: str | None, check: str | None, sample: str | None) -> None:
    """Raise ValueError where no granule id, or a wrong one, is taken out of the sample."""
    if sample is None or any("{{" in text for text in (extraction, check, sample) if text):
        return
    try:
        GranuleIds(extraction, check).id_of(sample)
    except DocumentError as exc:
        raise ValueError(f"sampleFileName: {exc}") from exc


def check_checksums(files: Sequence[tuple[str, str | None]]) -> None:
    """Raise ValueError for a `checksumFor` that is not the regex of one other file. `files`: regex and `checksumFor`
    of each.
    """
    for index, (regex, wanted) in enumerate(files):
        others = [other for at, (other, _) in enumerate(files) if at != index]
        if wanted is not None and (wanted == regex or others.count(wanted) != 1):
            raise ValueError(
                f"files[{index}].checksumFor: expected the regex of one other of files, not {wanted[:80]!r}"
            )

"""The page on bands: its examples are parts of collections, and its table of paths is true."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pileus.documents import Collection, parse_value
from pileus.raster.fields import match

PAGE = (Path(__file__).resolve().parents[2] / "docs/how-to/bands.md").read_text()
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
CONDITIONS = [json.loads(text) for text in re.findall(r"^\| `(\{.*?\})` \|", PAGE, re.MULTILINE)]
REGEX = r"x[.]h(?P<h>\d\d)v(?P<v>\d\d)[.]tif"


@pytest.mark.parametrize("meta", EXAMPLES, ids=lambda meta: "-".join(meta))
def test_every_example_is_a_part_of_a_collection(meta: dict[str, Any]) -> None:
    parse_value(Collection, {"name": "n", "files": [{"regex": REGEX}], "meta": meta}, "docs/how-to/bands.md")


def test_every_condition_is_one() -> None:
    assert len(CONDITIONS) == 4
    process = {"band": "b", "zones": "z", "valid": CONDITIONS}
    parse_value(Collection, {"name": "n", "files": [{"regex": ".*"}], "meta": {"process": process}}, "page")


def test_the_table_of_paths_is_true() -> None:
    names = ["//HDFEOS/GRIDS/X/AllAngle_Composite_Snow_Free", "//HDFEOS/GRIDS/X/AllAngle_Composite_Snow_Free_Num"]
    for path in ("AllAngle_Composite_Snow_Free", "*/AllAngle_*_Free"):
        assert f'`"{path}"`' in PAGE
        assert match(path, names) == names[:1]

"""docs/extending.md is true: its code runs, from top to bottom, in an empty process and folder."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import shapely

from spec.zonal_reference import write

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"


def test_the_code_of_the_page_runs(tmp_path: Path) -> None:
    nine = write(tmp_path / "nine.tif", np.arange(1, 10, dtype="f4").reshape(3, 3))
    with zipfile.ZipFile(tmp_path / "site.zip", "w") as archive:
        archive.writestr("v10/1.tif", nine.read_bytes())
        archive.writestr("v10/deeper/2.tif", b"not listed")
    half = {
        "type": "Feature",
        "properties": {"site": "left"},
        "geometry": shapely.geometry.mapping(shapely.box(0, 0, 1.5, 3)),
    }
    (tmp_path / "zones.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [half]}))
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for block in blocks:
        if named := re.match(r"# (\w+\.py)\n", block):
            (tmp_path / named[1]).write_text(block)
    code = "\n".join(block for block in blocks if not block.startswith("# "))
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path.insert(0, '.')\n" + code],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/1.tif").read_bytes() == nine.read_bytes()

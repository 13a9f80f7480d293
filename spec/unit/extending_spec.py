"""docs/extending.md is true: its code runs, from top to bottom, in an empty process and folder."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import shapely

from pileus import protocols
from pileus.errors import UsageError
from pileus.outputs import export
from pileus.raster import formats
from spec.support.zonal_reference import write

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


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
    np.save(tmp_path / "world.npy", np.full((180, 360), 7, "f4"))
    with zipfile.ZipFile(tmp_path / "world.zip", "w") as archive:
        archive.write(tmp_path / "world.npy", "a.world.npy")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for block in blocks:
        if named := re.match(r"# ([\w/]+\.py)\n", block):
            (tmp_path / named[1]).parent.mkdir(exist_ok=True)
            (tmp_path / named[1]).write_text(block)
    code = "\n".join(block for block in blocks if not block.startswith("# "))
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path.insert(0, '.')\n" + code],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/1.tif").read_bytes() == nine.read_bytes()


def test_a_registered_name_or_ending_is_not_taken_twice() -> None:
    with pytest.raises(UsageError, match="protocol 'ftp' is there already"):
        protocols.register(protocols.Protocol("ftp", "a:B"))
    with pytest.raises(UsageError, match=r"files .tif are GeoTIFF already"):
        formats.register(formats.Format("other", (".new", ".tif")))
    assert ".new" not in formats.REGISTERED
    with pytest.raises(UsageError, match="format 'csv' is there already"):
        export.register(export.FileFormat("csv", lambda _table, _shapes: b""))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("htps", "unknown protocol 'htps': did you mean https or "),
        ("x", "expected one of http, https, s3, ftp, sftp, stac, file"),
    ],
)
def test_an_unknown_protocol_is_told_with_what_there_is(name: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        protocols.protocol_of(name)
    assert said in caught.value.message

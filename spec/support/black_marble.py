"""Tiles in the layout that the Black Marble user guide documents for VNP46A3: HDF-EOS5, written by h5py.

`python -m spec.support.black_marble data/sample/black_marble/tile.h5` writes the tile that the sample's maker fills.
"""

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

FIELDS = "/HDFEOS/GRIDS/VIIRS_Grid_DNB_2d/Data Fields/"
NAME = "AllAngle_Composite_Snow_Free"
UNIT = "nWatts/(cm^2 sr)"


def write_tile(path: Path, radiance: Any, quality: Any, structure: str = "") -> Path:
    """Write one tile. `structure`: text of StructMetadata.0, which HDF-EOS libraries read; empty: there is none."""
    rows, columns = radiance.shape
    with h5py.File(path, "w", libver=("earliest", "v108")) as file:
        for name, values, fill, unit, scale in (
            (NAME, radiance, 65535, UNIT, 0.1),
            (f"{NAME}_Num", np.full((rows, columns), 5, "<u2"), 65535, "number of observations", 1.0),
            (f"{NAME}_Quality", quality, 255, "quality flag, no units", 1.0),
            (f"{NAME}_Std", np.zeros((rows, columns), "<u2"), 65535, UNIT, 0.1),
        ):
            made = file.create_dataset(FIELDS + name, data=values, track_times=False)
            made.attrs["_FillValue"] = np.array([fill], values.dtype)
            made.attrs["units"] = np.bytes_(unit)
            made.attrs["scale_factor"], made.attrs["add_offset"] = np.array([scale]), np.array([0.0])
        for name, size in (("lat", rows), ("lon", columns)):
            file.create_dataset(FIELDS + name, data=np.arange(size, dtype="<f8"), track_times=False)
        if structure:
            file.create_dataset("/HDFEOS INFORMATION/StructMetadata.0", data=np.bytes_(structure))
    return path


def structure(column: int, row: int, pixels: int, *, origin: bool) -> str:
    """StructMetadata.0 of a tile. `origin`: with the line GridOrigin, on which the driver's own georeference hangs."""
    west, north = -180 + 10 * column, 90 - 10 * row
    lines = (
        "GROUP=GridStructure",
        "\tGROUP=GRID_1",
        '\t\tGridName="VIIRS_Grid_DNB_2d"',
        f"\t\tXDim={pixels}",
        f"\t\tYDim={pixels}",
        f"\t\tUpperLeftPointMtrs=({west}000000.000000,{north}000000.000000)",
        f"\t\tLowerRightMtrs=({west + 10}000000.000000,{north - 10}000000.000000)",
        "\t\tProjection=HE5_GCTP_GEO",
        *(["\t\tGridOrigin=HE5_HDFE_GD_UL"] if origin else []),
        "\t\tGROUP=DataField",
        "\t\t\tOBJECT=DataField_1",
        f'\t\t\t\tDataFieldName="{NAME}"',
        '\t\t\t\tDimList=("YDim","XDim")',
        "\t\t\tEND_OBJECT=DataField_1",
        "\t\tEND_GROUP=DataField",
        "\tEND_GROUP=GRID_1",
        "END_GROUP=GridStructure",
        "END",
    )
    return "\n".join(lines) + "\n"


def write_blank(path: Path) -> Path:
    """Write the tile whose pixels the sample's maker replaces."""
    radiance = np.arange(40000, 40100, dtype="<u2").reshape(10, 10)
    return write_tile(path, radiance, np.arange(100, 200, dtype="u1").reshape(10, 10))


if __name__ == "__main__":
    write_blank(Path(sys.argv[1]))

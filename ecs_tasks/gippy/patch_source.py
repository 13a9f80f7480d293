"""Make gippy 1.0.3 build against GDAL 3: `python3 patch_source.py FOLDER`, FOLDER being its unpacked source.

GDAL 3 asks three more methods of a coordinate transformation; swig must run anew, so the files it once wrote go; and
those it writes now use Python's C API before they include it.
"""

import sys
from pathlib import Path

METHODS = """
        virtual OGRCoordinateTransformation *Clone() const { return new CutlineTransformer(*this); }
        virtual OGRCoordinateTransformation *GetInverse() const { return NULL; }
        virtual int Transform( int nCount, double *x, double *y, double *z, double *, int *pabSuccess ) {
            return pabSuccess ? TransformEx( nCount, x, y, z, pabSuccess ) : Transform( nCount, x, y, z );
        }
"""
AFTER = "virtual OGRSpatialReference *GetTargetCS() { return NULL; }"


def patch(source: Path) -> None:
    """Change the source in place. Raises SystemExit when it is not what was expected."""
    header = source / "GIP/gip/utils.h"
    text = header.read_text()
    if AFTER not in text:
        raise SystemExit(f"{header}: not the gippy 1.0.3 that this was written for")
    header.write_text(text.replace(AFTER, AFTER + METHODS))
    for interface in (source / "gippy").glob("*.i"):
        text = interface.read_text().replace("#include <python2.7/Python.h>", "")
        interface.write_text(text.replace("%{", "%{\n    #include <Python.h>", 1))
    for wrapper in (source / "gippy").glob("*_wrap.cpp"):
        wrapper.unlink()


if __name__ == "__main__":
    patch(Path(sys.argv[1]))

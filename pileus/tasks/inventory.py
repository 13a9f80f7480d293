"""Inventory: what is inside the files of a group, as a CSV: the smallest task that is of use."""

import csv
import io

from pileus.outputs.cells import safe_cell
from pileus.unpack.members import is_archive, members
from pileus.worker_tasks import Work


def inventory(work: Work) -> None:
    """Write `inventory.csv`: a row for each member of each file, with its unpacked bytes.

    No name is a formula to a spreadsheet. Raises ArchiveError."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("file", "member", "bytes"))
    for archive in work.archives:
        name = archive.granule.file.name
        if not is_archive(archive.path):
            rows.writerow((safe_cell(name), safe_cell(name), archive.size))
            continue
        with archive.path.open("rb") as file, members(file, name, check=work.check) as every:
            for member in every:
                member.stream.drain()
                rows.writerow((safe_cell(name), safe_cell(member.name), member.stream.at))
    work.put("inventory.csv", text.getvalue().encode(), "text/csv")

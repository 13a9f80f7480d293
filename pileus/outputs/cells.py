"""Texts that a spreadsheet would take for a formula are written so that it does not. Numbers stay numbers.

In CSV such a text gets an apostrophe in front, as OWASP advises; a reader that is no spreadsheet sees it too. Parquet,
GeoJSON and JSON have no cells, and are written as they are. Excel's own files say of each cell that it is a text.
"""

import re

import pyarrow as pa
import pyarrow.compute as pc

RISKY = r"^[=+\-@\t\r\n＝＋－＠]"
"""What a formula begins with: full-width characters too, which some spreadsheets read alike."""
NUMBER = r"^[+-]?[0-9]+([.][0-9]+)?$"
"""A text that is a number by itself does no harm, such as the id -5 of a zone."""


def safe_cell(text: str) -> str:
    """Return a text for a cell of CSV.

    >>> safe_cell("=cmd|'/c calc'!A1"), safe_cell("-5"), safe_cell("a=b")
    ("'=cmd|'/c calc'!A1", '-5', 'a=b')
    """
    return f"'{text}" if re.match(RISKY, text) and not re.match(NUMBER, text) else text


def safe_table(table: pa.Table) -> pa.Table:
    """Return a table whose texts, and names of columns, are safe as cells of CSV."""
    columns = []
    for column in table.columns:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            number = pc.match_substring_regex(column, NUMBER)
            risky = pc.and_not(pc.match_substring_regex(column, RISKY), number)
            prefixed = pc.binary_join_element_wise(pa.scalar("'", column.type), column, pa.scalar("", column.type))
            column = pc.if_else(risky, prefixed, column)
        columns.append(column)
    return pa.table(columns, names=[safe_cell(name) for name in table.column_names])

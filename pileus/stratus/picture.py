"""The graph of a request as a picture, in SVG, and for Graphviz: operations in waves, coloured by the node that does
each.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean
from xml.sax.saxutils import escape

from pileus.stratus.graph import Graph

WIDTH, HEIGHT, ACROSS, DOWN, EDGE = 170, 44, 26, 46, 24
"""Pixels: of a box, between two side by side, between two waves, and around the picture."""
PASSING = 12
"""Pixels that an arrow past a row gets there."""
FILLS = ("#e3f0fb", "#eef4e4", "#fdf3d7", "#f3e6f7", "#fbe3e3", "#e2f4f1")
"""Of nodes, in the order in which they come; the first again after the last."""
PLAIN, INPUT = "#f2f2f2", "#ffffff"
STYLE = "font-family:system-ui,sans-serif;font-size:13px"
Place = tuple[int, int]


def colours(assigned: Mapping[str, str]) -> dict[str, str]:
    """Return the colour of each node. `assigned`: by result, the node that makes it.

    >>> colours({"r1": "here", "r2": "there", "r3": "here"})
    {'here': '#e3f0fb', 'there': '#eef4e4'}
    """
    return {node: FILLS[at % len(FILLS)] for at, node in enumerate(dict.fromkeys(assigned.values()))}


def to_dot(graph: Graph, assigned: Mapping[str, str]) -> str:
    """Return a description for Graphviz. `assigned`: by result, the node that does the operation; may be empty."""
    fills = colours(assigned)
    lines = ["digraph request {", '  node [shape=box, style="rounded,filled", fontname="sans-serif"];']
    for id, one in graph.request.inputs.items():
        lines.append(f'  "{id}" [label="{_quoted(id, one.variable)}", shape=ellipse, fillcolor="{INPUT}"];')
    for result, operation in graph.operations.items():
        node = assigned.get(result, "")
        lines.append(
            f'  "{result}" [label="{_quoted(operation.name, " at ".join(filter(None, (result, node))))}", '
            f'fillcolor="{fills.get(node, PLAIN)}"{", penwidth=2" if result in graph.outputs else ""}];'
        )
        lines += [f'  "{need}" -> "{result}";' for need in dict.fromkeys(operation.inputs)]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(*texts: str) -> str:
    kept = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts if text)
    return "\\n".join(kept)


def to_svg(graph: Graph, assigned: Mapping[str, str]) -> str:
    """Return an SVG: inputs at the top, each wave of operations below all that it needs, and a line for each node.

    `assigned`: by result, the node that does the operation; may be empty.
    """
    rows, ways = _rows(graph)
    place, width = _placed(rows, ways)
    fills = colours(assigned)
    height = EDGE * 2 + len(rows) * (HEIGHT + DOWN) - DOWN + (DOWN if fills else 0)
    width = max(width, EDGE * 2 + len(fills) * (WIDTH + ACROSS) - ACROSS)
    body = [_arrow(way, place) for way in ways]
    body += [_box(place[id], id, one.variable or "input", INPUT, 1) for id, one in graph.request.inputs.items()]
    for result, operation in graph.operations.items():
        node = assigned.get(result, "")
        under = f"{result} at {node}" if node else result
        bold = 2 if result in graph.outputs else 1
        body.append(_box(place[result], operation.name, under, fills.get(node, PLAIN), bold))
    body += [_legend(at, name, fill, height) for at, (name, fill) in enumerate(fills.items())]
    return "\n".join([_head(width, height), *body, "</svg>"]) + "\n"


def _rows(graph: Graph) -> tuple[list[list[str]], list[list[str]]]:
    """Return what stands in each row, and the way of each arrow: from what is read to who reads it.

    An arrow past a row has a place of its own there, so that it runs behind no box: its name begins with a space.
    """
    rows = [row for row in ([*graph.request.inputs], *map(list, graph.waves())) if row]
    at = {name: number for number, row in enumerate(rows) for name in row}
    ways: list[list[str]] = []
    for result, one in graph.operations.items():
        for need in dict.fromkeys(one.inputs):
            between = [f" {need} {number}" for number in range(at[need] + 1, at[result])]
            for number, name in enumerate(between, at[need] + 1):
                if name not in rows[number]:
                    rows[number].append(name)
            ways.append([need, *between, result])
    return rows, ways


def _placed(rows: Sequence[list[str]], ways: Sequence[Sequence[str]]) -> tuple[dict[str, Place], int]:
    """Return the upper left corner of all that stands in rows, and the width of the picture.

    Each row is in the order of the middles of what its members read, so that few arrows cross.
    """
    reads: dict[str, set[str]] = {}
    for way in ways:
        for need, name in pairwise(way):
            reads.setdefault(name, set()).add(need)
    wide = [sum(_wide(name) + ACROSS for name in row) - ACROSS for row in rows]
    place: dict[str, Place] = {}
    for number, row in enumerate(rows):
        x = EDGE + (max(wide) - wide[number]) // 2
        middles = {
            name: fmean(place[need][0] + _wide(need) / 2 for need in reads[name]) for name in row if name in reads
        }
        for name in sorted(row, key=lambda one: middles.get(one, 0)):
            place[name] = (x, EDGE + number * (HEIGHT + DOWN))
            x += _wide(name) + ACROSS
    return place, EDGE * 2 + max(wide)


def _wide(name: str) -> int:
    return PASSING if name.startswith(" ") else WIDTH


def _head(width: int, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="request" style="{STYLE}">'
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs><rect width="100%" height="100%" fill="#fff"/>'
    )


def _box(at: Place, name: str, under: str, fill: str, stroke: int) -> str:
    x, y = at
    return (
        f'<g><rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{fill}" stroke="#667" '
        f'stroke-width="{stroke}"/><text x="{x + 12}" y="{y + 19}" font-weight="600">{escape(_short(name))}</text>'
        f'<text x="{x + 12}" y="{y + 35}" fill="#555">{escape(_short(under))}</text></g>'
    )


def _arrow(names: Sequence[str], place: Mapping[str, Place]) -> str:
    """Return an arrow along its way."""
    curve = ""
    for above, below in pairwise(names):
        x, y = place[above][0] + _wide(above) // 2, place[above][1] + HEIGHT
        to, down = place[below][0] + _wide(below) // 2, place[below][1] - 1
        middle = (y + down) // 2
        curve += f"{'L' if curve else 'M'}{x} {y}C{x} {middle} {to} {middle} {to} {down}"
    return f'<path d="{curve}" fill="none" stroke="#555" marker-end="url(#head)"/>'


def _legend(at: int, name: str, fill: str, height: int) -> str:
    x, y = EDGE + at * (WIDTH + ACROSS), height - EDGE
    return (
        f'<g><rect x="{x}" y="{y - 12}" width="14" height="14" rx="3" fill="{fill}" stroke="#667"/>'
        f'<text x="{x + 20}" y="{y}" fill="#555">{escape(_short(name))}</text></g>'
    )


def _short(text: str) -> str:
    return text if len(text) <= 22 else f"{text[:21]}…"

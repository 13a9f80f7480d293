"""The graph of a request as a picture, in SVG, and for Graphviz: operations in waves, coloured by the node that does
each.
"""

from collections.abc import Mapping
from xml.sax.saxutils import escape

from pileus.stratus.graph import Graph

WIDTH, HEIGHT, ACROSS, DOWN, EDGE = 170, 44, 26, 46, 24
"""Pixels: of a box, between two side by side, between two waves, and around the picture."""
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
    rows = [tuple(graph.request.inputs), *graph.waves()]
    rows = [row for row in rows if row]
    widest, fills = max(map(len, rows)), colours(assigned)
    width = EDGE * 2 + widest * (WIDTH + ACROSS) - ACROSS
    height = EDGE * 2 + len(rows) * (HEIGHT + DOWN) - DOWN + (len(fills) and DOWN)
    place = {
        name: (EDGE + (widest - len(row)) * (WIDTH + ACROSS) // 2 + at * (WIDTH + ACROSS), EDGE + y * (HEIGHT + DOWN))
        for y, row in enumerate(rows)
        for at, name in enumerate(row)
    }
    body = [_arrow(place[need], place[result]) for result, one in graph.operations.items() for need in one.inputs]
    body += [_box(place[id], id, one.variable or "input", INPUT, 1) for id, one in graph.request.inputs.items()]
    for result, operation in graph.operations.items():
        node = assigned.get(result, "")
        under = f"{result} at {node}" if node else result
        bold = 2 if result in graph.outputs else 1
        body.append(_box(place[result], operation.name, under, fills.get(node, PLAIN), bold))
    body += [_legend(at, name, fill, height) for at, (name, fill) in enumerate(fills.items())]
    return "\n".join([_head(width, height), *dict.fromkeys(body), "</svg>"]) + "\n"


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


def _arrow(start: Place, end: Place) -> str:
    (x, y), (to, down) = start, end
    middle = (y + HEIGHT + down) // 2
    x, to = x + WIDTH // 2, to + WIDTH // 2
    aside = WIDTH * 3 // 4 if down - y > HEIGHT + DOWN else 0  # past the boxes of the waves between
    curve = f"M{x} {y + HEIGHT}C{x + aside} {middle} {to + aside} {middle} {to} {down - 1}"
    return f'<path d="{curve}" fill="none" stroke="#555" marker-end="url(#head)"/>'


def _legend(at: int, name: str, fill: str, height: int) -> str:
    x, y = EDGE + at * (WIDTH + ACROSS), height - EDGE
    return (
        f'<g><rect x="{x}" y="{y - 12}" width="14" height="14" rx="3" fill="{fill}" stroke="#667"/>'
        f'<text x="{x + 20}" y="{y}" fill="#555">{escape(_short(name))}</text></g>'
    )


def _short(text: str) -> str:
    return text if len(text) <= 22 else f"{text[:21]}…"

"""The states of a workflow as a picture, in SVG, and as a Mermaid diagram."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from xml.sax.saxutils import escape

from pileus.project.workflow_definition import Definition, Step

WIDTH, HEIGHT, GAP, INDENT, EDGE = 300, 44, 34, 22, 24
"""Pixels: of a state's box, between boxes, of a level, and around the picture."""
LANE = 16
"""Pixels between two arrows that run beside the boxes."""
FILLS = {"Task": "#e3f0fb", "Map": "#eef4e4", "Parallel": "#eef4e4", "Choice": "#fdf3d7", "Fail": "#fbe3e3"}
HALO = "paint-order:stroke;stroke:#fff;stroke-width:4px"
STYLE = "font-family:system-ui,sans-serif;font-size:13px"


def to_mermaid(definition: Definition) -> str:
    """Return a Mermaid flowchart, as many pages and wikis draw it."""
    names = {step.name: f"s{number}" for number, step in enumerate(definition.steps)}
    lines = ["flowchart TD", *_mermaid_boxes(definition.steps, None, names, "  ")]
    for step in definition.steps:
        for to, when in step.to:
            lines.append(f"  {names[step.name]} -->{_label(when)} {names[to]}")
    return "\n".join(lines) + "\n"


def _mermaid_boxes(steps: Sequence[Step], parent: str | None, names: dict[str, str], pad: str) -> Iterator[str]:
    for step in steps:
        if step.parent != parent:
            continue
        if any(other.parent == step.name for other in steps):
            yield f'{pad}subgraph {names[step.name]}["{_quoted(_title(step))}"]'
            yield from _mermaid_boxes(steps, step.name, names, pad + "  ")
            yield f"{pad}end"
        else:
            yield f'{pad}{names[step.name]}["{_quoted(_title(step))}"]'


def _label(when: str) -> str:
    return f'|"{_quoted(when)}"|' if when else ""


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _title(step: Step) -> str:
    return f"{step.name}: {step.what}" if step.what else f"{step.name} ({step.type})"


def to_svg(definition: Definition) -> str:
    """Return an SVG: a box for each state from top to bottom, a frame around each Map, and an arrow for each way on."""
    steps = definition.steps
    place = {
        step.name: (EDGE + step.depth * INDENT, EDGE + number * (HEIGHT + GAP)) for number, step in enumerate(steps)
    }
    deepest = max(step.depth for step in steps)
    right = EDGE + deepest * INDENT + WIDTH + INDENT
    arrows = list(_arrows(steps, place, right))
    jumps = sum(1 for step in steps for _ in step.to)
    width = right + jumps * LANE + 260
    height = EDGE * 2 + len(steps) * (HEIGHT + GAP)
    body = [*_frames(steps, place, deepest), *arrows, *(_box(step, *place[step.name], deepest) for step in steps)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{escape(definition.name, {chr(34): "&quot;"})}" style="{STYLE}">'
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs><rect width="100%" height="100%" fill="#fff"/>'
    )
    return "\n".join([head, *body, "</svg>"]) + "\n"


def _wide(depth: int, deepest: int) -> int:
    """Return the width of a box: a Map's box reaches as far to the right as what lies in it."""
    return WIDTH + (deepest - depth) * INDENT


def _box(step: Step, x: int, y: int, deepest: int) -> str:
    fill = FILLS.get(step.type, "#f2f2f2")
    stroke = 2 if (step.first and step.depth == 0) or (step.last and step.depth == 0) else 1
    what = step.what or {"Succeed": "ends well", "Fail": "ends as failed"}.get(step.type, step.type)
    return (
        f'<g><rect x="{x}" y="{y}" width="{_wide(step.depth, deepest)}" height="{HEIGHT}" rx="6" fill="{fill}" '
        f'stroke="#667" stroke-width="{stroke}"/>'
        f'<text x="{x + 12}" y="{y + 19}" font-weight="600">{escape(step.name)}</text>'
        f'<text x="{x + 12}" y="{y + 35}" fill="#555">{escape(what)}</text></g>'
    )


def _frames(steps: Sequence[Step], place: dict[str, tuple[int, int]], deepest: int) -> Iterator[str]:
    """Yield a frame around each Map or Parallel and the states within it."""
    for number, step in enumerate(steps):
        inner = 0
        for other in steps[number + 1 :]:
            if other.depth <= step.depth:
                break
            inner += 1
        if inner:
            x, y = place[step.name]
            tall = inner * (HEIGHT + GAP) + HEIGHT
            yield (
                f'<rect x="{x - 8}" y="{y - 8}" width="{_wide(step.depth, deepest) + 16}" height="{tall + 16}" rx="9" '
                'fill="none" stroke="#9a9" stroke-dasharray="5 4"/>'
            )


def _arrows(steps: Sequence[Step], place: dict[str, tuple[int, int]], right: int) -> Iterator[str]:
    """Yield the arrows: straight down to the next box, else along a lane of its own beside the boxes."""
    deepest = max(step.depth for step in steps)
    following = {step.name: after.name for step, after in pairwise(steps)}
    lane = 0
    for step in steps:
        x, y = place[step.name]
        for to, when in step.to:
            tx, ty = place[to]
            if following.get(step.name) == to:
                middle = tx + 40
                yield _arrow(f"M{middle} {y + HEIGHT}V{ty - 1}")
                yield _words(middle + 8, ty - 8, when)
                continue
            at, lane = right + lane * LANE, lane + 1
            start, end = x + _wide(step.depth, deepest), tx + _wide(_depth(steps, to), deepest)
            yield _arrow(f"M{start} {y + HEIGHT // 2}H{at}V{ty + HEIGHT // 2}H{end + 1}")
            yield _words(at + 6, ty + HEIGHT // 2 - 6, when)


def _depth(steps: Sequence[Step], name: str) -> int:
    return next(step.depth for step in steps if step.name == name)


def _arrow(path: str) -> str:
    return f'<path d="{path}" fill="none" stroke="#555" marker-end="url(#head)"/>'


def _words(x: int, y: int, text: str) -> str:
    return f'<text x="{x}" y="{y}" fill="#555" font-size="11" style="{HALO}">{escape(text)}</text>' if text else ""

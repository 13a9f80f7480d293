"""The grid of a backfill as one HTML page that loads nothing else, to send to a colleague or to put into a report.

Names, errors and ids come from providers and users: each is escaped, and only addresses that we made become links.
"""

from collections.abc import Callable, Iterator
from html import escape
from typing import Any

from pileus import keys
from pileus.backfills.grid import MEANINGS, SYMBOLS, layout, symbol
from pileus.backfills.record import Outcome
from pileus.backfills.status import Cell, Status
from pileus.models import Partition, State

SOME = 20
"""How many partitions that need attention a notebook lists."""
MOST = 2000
"""How many partitions are listed one by one; the grid has all."""
HAVE_OUTPUTS = (State.succeeded, State.skipped)
STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; } th, td { padding: .15rem .4rem; text-align: left; }
.grid td { padding: 0; } .grid th { font-weight: normal; opacity: .7; }
.cell { display: block; width: 1.7rem; height: 1.7rem; line-height: 1.7rem; margin: 1px; border-radius: 3px;
  text-align: center; text-decoration: none; color: #fff; font-weight: 600; }
.succeeded { background: #1a7f37; } .skipped { background: #4d7358; } .failed { background: #b3261e; }
.running { background: #0b7285; } .queued { background: #2f5fb3; } .waiting { background: #8a6100; }
.planned { background: #6e7781; } .cancelled { background: #8250a0; }
.list td { border-top: 1px solid #8884; vertical-align: top; overflow-wrap: anywhere; }
.tag { color: #fff; border-radius: 3px; padding: 0 .4rem; white-space: nowrap; }
"""
Link = Callable[[str], str]
"""Makes an address that a browser opens from an `s3://` address."""


def page(found: Status, bucket: str, link: Link, *, made: str) -> str:
    """Return the page. `bucket`: where the outputs are; `made`: the time that the page shows."""
    backfill = found.backfill
    title = escape(f"{backfill.id}: {backfill.state}")
    facts = [
        ("collection", f"{backfill.collection} {backfill.version}"),
        ("span", f"{backfill.first} to {backfill.last}"),
        ("started", f"{backfill.started} by {backfill.started_by}"),
        ("command", backfill.command),
        ("ended", backfill.ended),
        ("problem", backfill.problem),
    ]
    told = "".join(f"<tr><th>{name}</th><td>{escape(value)}</td></tr>" for name, value in facts if value)
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        '<meta name="viewport" content="width=device-width">',
        f"<style>{STYLE}</style></head><body><h1>{title}</h1><table>{told}</table>",
        f"<p>{_legend(found)}</p>",
        *_grid(found),
        *_list("What needs attention", [s for s in found.outcomes if s.state in (State.failed, State.waiting)], found),
        *_list("Outputs", [s for s in found.outcomes if s.state in HAVE_OUTPUTS], found, bucket, link),
        f"<p>As of {escape(made)}.</p></body></html>",
    ]
    return "\n".join(parts)


def fragment(found: Status) -> str:
    """Return state, legend and grid as a piece of HTML that loads nothing, for a notebook."""
    title = escape(f"{found.backfill.id}: {found.backfill.state}")
    trouble = [one for one in found.outcomes if one.state in (State.failed, State.waiting)]
    listed = "\n".join(_list("What needs attention", trouble[:SOME], found))
    grid = "\n".join(_grid(found))
    return f"<style>{_within('.pileus')}</style><div class=pileus><b>{title}</b> {_legend(found)}{grid}{listed}</div>"


def _within(name: str) -> str:
    """Return the style for what is inside of `name` alone: a page has others."""
    rules = STYLE[STYLE.index(".grid") :].strip().split("}")
    return "".join(f"{name} {rule.strip()}}}" for rule in rules if rule.strip())


def _legend(found: Status) -> str:
    return " ".join(
        f'<span class="tag {state}">{SYMBOLS[state]}</span> {count} {MEANINGS.get(state, state)}'
        for state in State
        if (count := found.counts[state])
    )


def _grid(found: Status) -> Iterator[str]:
    heads, rows = layout(found.backfill.unit, found.cells)
    yield "<table class=grid><tr><th></th>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr>"
    for row in rows:
        cells = "".join(f"<td>{_cell(cell) if cell else ''}</td>" for cell in row.cells)
        yield f"<tr><th>{escape(row.label)}</th>{cells}</tr>"
    yield "</table>"


def _cell(cell: Cell) -> str:
    where, told = escape(cell.period), escape(cell.told)
    return f'<a class="cell {cell.state}" href="#{where}" title="{told}">{symbol(cell)}</a>'


def _list(title: str, seen: list[Outcome], found: Status, bucket: str = "", link: Link | None = None) -> Iterator[str]:
    if not seen:
        return
    yield f"<h2>{title}</h2><table class=list>"
    for one in seen[:MOST]:
        partition = Partition(found.backfill.collection, found.backfill.version, one.period, one.group)
        last = _links(partition, bucket, link) if link else escape(one.why)
        yield (
            f'<tr id="{escape(one.period)}"><td>{escape(one.period)}</td><td>{escape(one.group)}</td>'
            f'<td><span class="tag {one.state}">{one.state}</span></td><td>{last}</td></tr>'
        )
    yield "</table>"
    if len(seen) > MOST:
        yield f"<p>and {len(seen) - MOST} more</p>"


def _links(partition: Partition, bucket: str, link: Link) -> str:
    named: list[tuple[str, Any]] = [
        ("statistics", keys.table_key(partition)),
        ("CSV", keys.csv_key(partition)),
        ("manifest", keys.manifest_key(partition)),
    ]
    return " ".join(f'<a href="{escape(link(f"s3://{bucket}/{key}"))}">{name}</a>' for name, key in named)

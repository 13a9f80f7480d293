"""pileus cost: dollars and minutes of a backfill on AWS."""

import os
from collections.abc import Sequence
from contextlib import suppress
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pileus.cli import complete, show
from pileus.cli.account import Settings
from pileus.cli.app import app
from pileus.cli.session import Session

if TYPE_CHECKING:
    from pileus.deploy.cost import Estimate
    from pileus.documents import Collection
    from pileus.models import Manifest

TILES = 6
GROUP_BYTES = TILES * 470e6
"""Six VIIRS tiles of the mean listed size, where nothing was measured."""
BYTES_PER_SECOND = 30e6
"""The speed where nothing was measured: six connections of 5 MB a second."""
SECONDS_PER_BYTE = 2.7 / 628e6
"""Time of the work after the download, on two processors, measured with whole tiles."""
OUTPUT_BYTES = 200e3
CONNECTIONS = 10
"""The limit where the provider's document sets none."""


@app.command(epilog="Example: pileus cost viirs_template --from 2012-04 --to 2018-05")
def cost(
    collection: Annotated[
        str, typer.Argument(autocompletion=complete.collections, help="Name of a template of this project.")
    ],
    first: Annotated[str | None, typer.Option("--from", help="First point in time.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last point in time, included.")] = None,
    version: Annotated[str | None, typer.Option(help="Version of the collection.")] = None,
    groups: Annotated[int, typer.Option(min=1, help="Groups in each point in time.")] = 1,
    group_bytes: Annotated[float | None, typer.Option(help="Bytes of a group; measured if not given.")] = None,
    speed: Annotated[float | None, typer.Option(help="Bytes a second of one worker; measured if not given.")] = None,
    days: Annotated[int, typer.Option(min=0, help="Days that the results are kept.")] = 30,
    settings: Settings = None,
    json: show.Json = False,
) -> None:
    """Estimate what a backfill costs in an AWS account, and how long it takes."""
    import json as json_

    from pileus.deploy.cost import Work, estimate
    from pileus.deploy.synth import check_settings, read_settings
    from pileus.errors import UsageError
    from pileus.product import product_folder

    for name, value in (("--group-bytes", group_bytes), ("--speed", speed)):
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"{name}: expected a number above 0, not {value:g}")
    session = Session()
    registry, _ = session.project.registry()
    template = registry.collection(collection, version)
    provider = registry.provider_of(template, None)
    points = _points(template, first, last)
    manifests = _manifests(session, template.name)
    measured = _measured(manifests, group_bytes, speed)
    work = Work(
        points=points,
        groups=points * groups,
        connections=provider.globalConnectionLimit or CONNECTIONS,
        **measured,
    )
    checked = check_settings(read_settings(os.environ, settings))
    prices: dict[str, Any] = json_.loads((product_folder() / "data/prices.json").read_text())
    made = estimate(work, checked, prices, days=days)
    if json:
        show.as_json(made.to_json() | {"measured_groups": len(manifests)})
    else:
        _show(made, work.groups, len(manifests))


def _show(made: "Estimate", groups: int, measured: int) -> None:
    """Print the estimate, and where its figures come from. `measured`: groups that were made before."""
    rows = [(line.item, f"{line.quantity:,.1f}", line.unit, f"{line.dollars:,.4f}") for line in made.lines]
    show.table(("item", "quantity", "unit", "dollars"), rows)
    show.line(f"{made.dollars:,.2f} dollars and {made.minutes:,.0f} minutes for {groups} groups")
    always_on = "three t2.xlarge with 150 GB each that always run"
    show.line(f"for comparison, {always_on}: {made.always_on_month:,.2f} dollars a month")
    basis = f"{measured} groups that were done" if measured else "figures of whole VIIRS tiles, nothing measured yet"
    show.line(f"prices of {made.prices}; bytes and seconds from {basis}")


def _points(template: "Collection", first: str | None, last: str | None) -> int:
    from datetime import UTC, datetime

    from pileus.backfills.control import new_backfill
    from pileus.expand import expand
    from pileus.periods import Period, Unit
    from pileus.project.registry import Registry, key_of

    planned = new_backfill(
        Registry({key_of(template): template}), template.name, now=datetime.now(UTC).timestamp(), first=first, last=last
    )
    unit, today = Unit(planned.unit), datetime.now(UTC).date()
    return len(expand(template, *(Period.parse(text, unit, today) for text in (planned.first, planned.last))))


def _manifests(session: Session, collection: str) -> "list[Manifest]":
    """Return the manifests of the latest groups of the collection that can be read; none where no stack is up."""
    from pileus import keys
    from pileus.errors import StoreError, UsageError
    from pileus.models import safe
    from pileus.outputs.commit import read_manifest

    try:
        edges = session.edges
        urls = [url for url, _ in edges.store.list(edges.protected(f"{keys.MANIFESTS}/{safe(collection)}/"))]
        found = []
        for url in urls[-20:]:
            with suppress(ValueError):  # damaged: `pileus reconcile` says so
                found.append(read_manifest(edges.store, url))
        return [manifest for manifest in found if manifest is not None]
    except (UsageError, StoreError):
        return []  # no stack is up: the estimate says so


def _measured(manifests: "Sequence[Manifest]", group_bytes: float | None, speed: float | None) -> dict[str, float]:
    done = [one for one in manifests if one.bytes_downloaded and one.seconds.get("download")]
    size = group_bytes or (median(one.bytes_downloaded for one in done) if done else GROUP_BYTES)
    rest = [sum(one.seconds.values()) - one.seconds["download"] for one in done]
    written = [sum(output.size for output in one.outputs) for one in done]
    return {
        "group_bytes": size,
        "bytes_per_second": speed
        or (median(one.bytes_downloaded / one.seconds["download"] for one in done) if done else BYTES_PER_SECOND),
        "seconds": median(rest) if done else size * SECONDS_PER_BYTE,
        "output_bytes": median(written) if done else OUTPUT_BYTES,
    }

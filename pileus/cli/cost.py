"""pileus cost: dollars and minutes of a backfill on AWS."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import complete, show
from pileus.cli.account import Settings
from pileus.cli.app import app
from pileus.cli.session import Session

if TYPE_CHECKING:
    from pileus.deploy.cost import Estimate
    from pileus.documents import Collection
    from pileus.models import Manifest


@app.command(epilog="Example: pileus cost viirs_template --from 2012-04 --to 2018-05")
def cost(
    collection: Annotated[
        str, typer.Argument(autocompletion=complete.collections, help="Name of a template of this project.")
    ],
    first: Annotated[str | None, typer.Option("--from", help="First point in time.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last point in time, included.")] = None,
    version: Annotated[str | None, typer.Option(help="Version of the collection.")] = None,
    groups: Annotated[int, typer.Option(min=1, help="Groups in each point in time, or of each of its ids.")] = 1,
    group_bytes: Annotated[float | None, typer.Option(help="Bytes of a group; measured if not given.")] = None,
    speed: Annotated[float | None, typer.Option(help="Bytes a second of one worker; measured if not given.")] = None,
    days: Annotated[int, typer.Option(min=0, help="Days that the results are kept.")] = 30,
    settings: Settings = None,
    json: show.Json = False,
) -> None:
    """Estimate what a backfill costs in an AWS account, and how long it takes."""
    from pileus.deploy.cost import estimate
    from pileus.deploy.figures import read_prices, work_of
    from pileus.deploy.synth import check_settings, read_settings
    from pileus.errors import UsageError

    for name, value in (("--group-bytes", group_bytes), ("--speed", speed)):
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"{name}: expected a number above 0, not {value:g}")
    session = Session()
    registry, _ = session.project.registry()
    template = registry.collection(collection, version)
    provider = registry.provider_of(template, None)
    points, ids = _points(template, first, last)
    manifests = _manifests(session, template.name)
    work = work_of(
        manifests,
        points=points,
        groups=points * ids * groups,
        connections=provider.globalConnectionLimit,
        group_bytes=group_bytes,
        speed=speed,
    )
    made = estimate(work, check_settings(read_settings(os.environ, settings)), read_prices(), days=days)
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


def _points(template: "Collection", first: str | None, last: str | None) -> tuple[int, int]:
    """Return the number of points in time, and of the ids of each; 1 where the template has no ids."""
    from datetime import UTC, datetime

    from pileus.backfills.control import new_backfill
    from pileus.expand import expand
    from pileus.project.registry import Registry, key_of

    planned = new_backfill(
        Registry({key_of(template): template}), template.name, now=datetime.now(UTC).timestamp(), first=first, last=last
    )
    points = expand(template, planned.periods)
    return len(points), len(points[0].collections.values)


def _manifests(session: Session, collection: str) -> "list[Manifest]":
    """Return the manifests of the latest groups of the collection; none where no stack is up: the estimate says so."""
    from pileus.errors import StoreError, UsageError

    try:
        return session.client.outputs.manifests(collection)
    except (UsageError, StoreError):
        return []

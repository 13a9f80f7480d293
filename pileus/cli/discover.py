"""pileus discover: what a provider has for one point in time, with no stack running."""

import os
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pileus.cli import complete, show
from pileus.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pileus.documents import Collection, Provider
    from pileus.edges.secrets import Secrets
    from pileus.group import Grouped
    from pileus.models import Group


@app.command(epilog="Example: pileus discover viirs_template --period 2015-01")
def discover(
    collection: Annotated[
        str,
        typer.Argument(
            autocompletion=complete.collections, help="A template in collections/ by name, or a .json file."
        ),
    ],
    period: Annotated[str | None, typer.Option(help="Point in time, as 2015-01 or '-2 months'.")] = None,
    provider: Annotated[str | None, typer.Option(help="Another provider: its id, or a .json file.")] = None,
    json: show.Json = False,
) -> None:
    """List a provider's files for one point in time, in groups: which are complete, and what is missing."""
    template, source = _collection(collection, provider)
    name, by_id = _point(template, period)
    grouped = _groups(name, by_id, source)
    if json:
        show.as_json(
            {
                "collection": name,
                "provider": source.id,
                "groups": [{**group.to_json(), "complete": group.complete} for group in grouped.groups],
                "problems": [problem.to_json() for problem in grouped.problems],
            }
        )
        return
    rows = [(g.key, _state(g), len(g.granules), show.size(g.size), ", ".join(g.missing)) for g in grouped.groups]
    if rows:
        show.table(("group", "state", "files", "size", "missing"), rows)
    else:
        show.line("nothing is published")
    for group in grouped.groups:
        for why in group.spoilt:
            show.line(f"{group.key}: {why}", "yellow")
    for problem in grouped.problems:
        show.line(f"{problem.kind}: {problem.name}: {problem.detail}", "yellow")


def _state(group: "Group") -> str:
    if group.spoilt:
        return "spoilt"
    return "complete" if group.complete else f"waiting ({len(group.missing)} missing)"


def _collection(name: str, provider: str | None) -> "tuple[Collection, Provider]":
    """Return the template and its provider, from the named files, else from the project. Raises DocumentError,
    UsageError.
    """
    from pileus.documents import Collection, Provider, read
    from pileus.errors import UsageError
    from pileus.project.folder import find_project

    alone = name.endswith(".json")
    template = read(Collection, Path(name)) if alone else None
    source = read(Provider, Path(provider)) if provider and provider.endswith(".json") else None
    if template is None or source is None:
        registry, _ = find_project(Path(name).resolve().parent if alone else Path.cwd()).registry()
        template = template or registry.collection(name)
        if source is None and not (provider or template.provider):
            raise UsageError("names no provider: expected --provider", where=name)
        source = source or registry.provider_of(template, provider)
    return template, source


def _point(template: "Collection", period: str | None) -> "tuple[str, Mapping[str, Collection]]":
    """Return the name and the concrete collections, by id, of a point in time. A collection without options is concrete
    itself.
    """
    from pileus.errors import UsageError
    from pileus.expand import expand
    from pileus.periods import Period, Periods

    if template.options is None:
        if period is not None:
            raise UsageError("has no options: leave --period out", where=template.name)
        return template.name, {"": template}
    if period is None:
        raise UsageError("is a template: expected --period, such as --period 2015-01", where=template.name)
    when = Period.parse(period, template.options.spanUnit, datetime.now(UTC).date())
    by_id = expand(template, Periods.of(when, when))[0].by_id
    return by_id[""].name if "" in by_id else template.name, by_id


def _groups(name: str, by_id: "Mapping[str, Collection]", provider: "Provider") -> "Grouped":
    from pileus.edges.providers import connect
    from pileus.errors import DocumentError
    from pileus.point_groups import list_point

    with closing(connect(provider, secrets=machine_secrets())) as edge:
        grouped = list_point(edge, by_id, own_folder=False, parallel=provider.globalConnectionLimit)
    strangers = [problem for problem in grouped.problems if problem.kind == "stranger"]
    if strangers and not any(g.granules for g in grouped.groups) and len(strangers) == len(grouped.problems):
        words = f"files[].regex matches none of the {len(strangers)} files listed, such as {strangers[0].name}"
        raise DocumentError(words, where=name)
    return grouped


def machine_secrets() -> "Secrets":
    """Return the secrets of this machine: from its environment, and from AWS if it has credentials."""
    from pileus.edges.secrets import Secrets

    # boto3 is imported only for a reference to AWS: the import would double the time of a short command.
    def client(service: str) -> Any:
        import boto3

        return boto3.client(service)  # type: ignore[call-overload]

    return Secrets(environ=os.environ, secretsmanager=lambda: client("secretsmanager"), ssm=lambda: client("ssm"))

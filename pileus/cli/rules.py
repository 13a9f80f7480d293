"""pileus rules: what starts backfills and workflows without a person."""

import json as js
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pileus.cli import complete, show
from pileus.cli.app import app
from pileus.cli.json_file import read_object
from pileus.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator


rules = typer.Typer(
    help="Rules that start backfills and workflows: once, on a schedule or with messages.", no_args_is_help=True
)
app.add_typer(rules, name="rules")
Name = Annotated[str, typer.Argument(autocompletion=complete.rules, help="Rule.")]


@rules.command("list", epilog="Example: pileus rules list")
def list_rules(json: show.Json = False) -> None:
    """List the populated rules."""
    registry = Session().client.documents.registry()
    found = sorted(registry.rules.values(), key=lambda rule: rule.name)
    if json:
        show.as_json([rule.model_dump(mode="json", exclude_defaults=True) for rule in found])
    elif not found:
        show.line("no rules: put one in rules/*.json and run `pileus populate`")
    else:
        span = {
            rule.name: f"{rule.meta.spanStart or 'template'} to {rule.meta.spanEnd or 'now'}"
            for rule in found
            if registry.backfills(rule)
        }
        subject = {rule.name: rule.collection.name if rule.collection else "" for rule in found}
        show.table(
            ("rule", "state", "type", "when", "zone", "collection", "span"),
            [
                (r.name, r.state, r.rule.type, r.rule.value, r.rule.timezone, subject[r.name], span.get(r.name, ""))
                for r in found
            ],
        )


@rules.command(epilog="Example: pileus rules enable viirs_monthly")
def enable(name: Name, json: show.Json = False) -> None:
    """Let a rule fire; a onetime rule that has not fired does so now."""
    _set(name, "ENABLED", json)


@rules.command(epilog="Example: pileus rules disable viirs_monthly")
def disable(name: Name, json: show.Json = False) -> None:
    """Stop a rule from firing. Backfills that it started go on."""
    _set(name, "DISABLED", json)


def _set(name: str, state: Literal["ENABLED", "DISABLED"], json: bool) -> None:
    """Set the state in the registry and in the project's document, so that the next populate keeps it."""
    session = Session()
    started = session.client.documents.set_rule(name, enabled=state == "ENABLED")
    changed_files = [str(path.relative_to(session.project.root)) for path in _write_state(session, name, state)]
    show.answer(
        json,
        {"rule": name, "state": state, "started": started, "changed": changed_files},
        f"{name} is {state.lower()}" + "".join(f"; {rule} started" for rule in started),
        *(f"changed {path} to say so" for path in changed_files),
    )


def _write_state(session: Session, name: str, state: str) -> "Iterator[Path]":
    """Write the state into the rule's document in the project. Return the changed files."""
    from pileus.documents import Rule, read

    for path in (session.project.root / "rules").glob("*.json"):
        rule = read(Rule, path)
        if rule.name == name and rule.state != state:
            value: Any = js.loads(path.read_text())
            path.write_text(js.dumps(value | {"state": state}, indent=2) + "\n")
            yield path


@rules.command(epilog="Example: pileus rules run viirs_monthly")
def run(
    name: Name,
    message: Annotated[
        Path | None,
        typer.Option(
            "--message",
            help="Message, or payload in place of the rule's, of a firing that starts a workflow: a JSON file.",
        ),
    ] = None,
    json: show.Json = False,
) -> None:
    """Fire a rule now, in any state."""
    fired = Session().client.documents.fire(name, read_object(message, "an object") if message else None)
    show.answer(json, {"rule": name, "execution": fired}, fired)


@rules.command("show", epilog="Example: pileus rules show viirs_monthly")
def show_rule(name: Name, json: show.Json = False) -> None:
    """Show a rule: its document, when it fires next, and the source of its messages."""
    found = Session().client.documents.rule(name)
    lines = [*js.dumps(found.document, indent=1).splitlines(), *(f"fires {moment}" for moment in found.next)]
    if found.source:
        lines.append(f"messages of {found.source}: {found.source_state}")
    show.answer(json, found.model_dump(), *lines)


@rules.command("next", epilog="Example: pileus rules next viirs_monthly -n 3")
def next_firings(
    name: Annotated[str | None, typer.Argument(help="Name of the rule; all if not given.")] = None,
    count: Annotated[int, typer.Option("-n", min=1, max=100, help="Firings to show of each.")] = 3,
    json: show.Json = False,
) -> None:
    """Show when rules fire next."""
    from zoneinfo import ZoneInfo

    from pileus.documents import Rule

    documents = Session().client.documents
    chosen = [documents.rule(name, firings=count)] if name else documents.rules(firings=count)
    found = {one.name: [datetime.fromisoformat(moment) for moment in one.next] for one in chosen}
    if json:
        show.as_json({rule: [moment.isoformat() for moment in moments] for rule, moments in found.items()})
        return
    zones = {one.name: ZoneInfo(Rule.model_validate(one.document).rule.timezone) for one in chosen}
    rows = [
        (rule, f"{moment.astimezone(zones[rule]):%Y-%m-%d %H:%M %Z}", f"{moment:%Y-%m-%d %H:%M} UTC")
        for rule, moments in found.items()
        for moment in moments
    ]
    if rows:
        show.table(("rule", "fires", ""), rows)
    else:
        show.line("nothing fires: no scheduled rule is enabled")

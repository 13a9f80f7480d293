"""The application. Python imports a command's module only when the command is used."""

import importlib
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from pileus import __version__
from pileus.cli.commands import ENTRIES
from pileus.near import near_names


class LazyGroup(TyperGroup):
    """The commands of `pileus.cli.commands`; each is imported when click asks for it."""

    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - click gives it
        """Return all names, in the order of the help page."""
        return [entry.name for entry in ENTRIES]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - click gives it
        """Return the command; None where there is none. While click lists all, only with its name and summary."""
        entry = next((entry for entry in ENTRIES if entry.name == cmd_name), None)
        if entry is None:
            return None
        if self._listing:
            return TyperCommand(entry.name, help=entry.summary, rich_help_panel=entry.panel)
        if cmd_name not in self.commands:
            importlib.import_module(entry.module)
            self.commands[cmd_name] = _registered(cmd_name)
        return self.commands[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command as click does. For an unknown name, the error has the near names."""
        names = self.list_commands(ctx)
        if args and args[0] not in names and not args[0].startswith("-"):
            close = near_names(args[0], names)
            hint = f" Did you mean {' or '.join(close)}?" if close else " `pileus --help` lists all."
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help page without importing a command."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return the names that begin with `incomplete`, without importing a command."""
        self._listing = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._listing = False


app = typer.Typer(
    cls=LazyGroup,
    name="pileus",
    help="Historical backfills of satellite archives: template to zonal statistics in S3.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: pileus sample",
)


def _registered(name: str) -> Any:
    """Return the click command of what a module registered at `app`."""
    for group in app.registered_groups:
        if group.name == name:
            return typer.main.get_group_from_info(
                group,
                pretty_exceptions_short=app.pretty_exceptions_short,
                rich_markup_mode=app.rich_markup_mode,
                suggest_commands=True,
            )
    for command in app.registered_commands:
        assert command.callback is not None  # @app.command always sets it
        if (command.name or typer.main.get_command_name(command.callback.__name__)) == name:
            return typer.main.get_command_from_info(
                command,
                pretty_exceptions_short=app.pretty_exceptions_short,
                rich_markup_mode=app.rich_markup_mode,
            )
    raise AssertionError(f"pileus.cli registers no command {name!r}")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"pileus {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Accept the options that stand before a command."""

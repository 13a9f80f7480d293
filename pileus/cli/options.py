"""Options that several commands take."""

from typing import Annotated

import typer

from pileus.cli import complete

Collection = Annotated[str, typer.Argument(autocompletion=complete.collections, help="Name of a populated template.")]
First = Annotated[
    str | None, typer.Option("--from", help="First point in time, as 2012-04; the template's if not given.")
]
Last = Annotated[str | None, typer.Option("--to", help="Last point in time, included.")]
Points = Annotated[
    list[str] | None,
    typer.Option("--point", help="Only this point in time, or span as 201503/201505; may be given again."),
]
Version = Annotated[str | None, typer.Option(help="Version of the collection.")]
Provider = Annotated[
    str | None, typer.Option(help="Id of the provider that has the files, in place of the collection's.")
]

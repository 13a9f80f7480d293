"""pileus download: files by their URLs, with no stack running."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.discover import machine_secrets
from pileus.cli.transfer_bars import Bars

if TYPE_CHECKING:
    from pileus.documents import Provider
    from pileus.edges.providers import ProviderEdge
    from pileus.errors import PileusError
    from pileus.models import Archive, Granule


@app.command(epilog="Example: pileus download https://example.com/tile.tgz -o tiles")
def download(
    urls: Annotated[list[str] | None, typer.Argument(help="http, https, s3, ftp, sftp or file URLs.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where the files go.")] = Path(),
    input_file: Annotated[
        Path | None, typer.Option("-i", "--input", metavar="FILE", help="A file with one URL a line; - for stdin.")
    ] = None,
    provider: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A provider document: how to sign in, limits.")
    ] = None,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Files at once.")] = 10,
    force: Annotated[
        bool, typer.Option("--force", help="Download also files that are here with the same size.")
    ] = False,
    json: show.Json = False,
) -> None:
    """Download files: in parallel, resumed and verified. A file gets its name only when it is whole.

    Exits with 1 if any file failed; the others are there.
    """
    from pileus.errors import PileusError, UsageError

    wanted = [*(urls or ()), *_listed(input_file)]
    if not wanted:
        raise UsageError("no URLs: expected URL..., or -i FILE")
    archives: list[Archive] = []
    failures: list[PileusError] = []
    for source, mine in _by_provider(wanted, provider):
        for result in _fetch(source, mine, output, parallel=parallel, force=force, quiet=json):
            if isinstance(result, PileusError):
                failures.append(result)
            else:
                archives.append(result)
    if json:
        files = [
            {"name": a.path.name, "path": str(a.path), "url": a.granule.recorded.file.url, "size": a.size}
            for a in archives
        ]
        failed = [{"url": f.where, "error": type(f).__name__, "message": f.message} for f in failures]
        show.as_json({"files": files, "failed": failed})
    if failures:
        for failure in failures[:-1]:
            show.errors.print(f"pileus: {failure}", style="red", markup=False, soft_wrap=True)
        raise failures[-1]


def _listed(path: Path | None) -> list[str]:
    from pileus.errors import UsageError

    if path is None:
        return []
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text()
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"cannot be read: {exc}", where=str(path)) from exc
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _by_provider(urls: Sequence[str], document: Path | None) -> "Iterator[tuple[Provider, list[Granule]]]":
    """Return the URLs by host, each host with a provider document; with `document`, all URLs belong to it."""
    from pileus.documents import Provider, read
    from pileus.download.fetch import granule_of
    from pileus.edges.providers.by_url import provider_of

    by_place: dict[tuple[str, str], list[Granule]] = {}
    for url in urls:
        own = provider_of(url, f"site-{len(by_place) + 1}")
        by_place.setdefault((own.protocol, own.host), []).append(granule_of(url))
    if document is not None:
        yield read(Provider, document), [granule for mine in by_place.values() for granule in mine]
        return
    for number, mine in enumerate(by_place.values(), 1):
        yield provider_of(mine[0].file.url, f"site-{number}"), mine


def _fetch(
    provider: "Provider", granules: "Sequence[Granule]", folder: Path, *, parallel: int, force: bool, quiet: bool
) -> "Iterator[Archive | PileusError]":
    from pileus.download.fetch import check_space, fetch_all
    from pileus.download.source import Cancellation
    from pileus.edges.providers import connect
    from pileus.errors import PileusError

    with closing(connect(provider, secrets=machine_secrets())) as edge, Bars(len(granules), quiet=quiet) as bars:
        granules = list(_described(granules, folder, edge, force=force))
        check_space(granules, folder)
        parallel = min(parallel, provider.globalConnectionLimit)
        fetched = fetch_all(
            granules, folder, edge, Cancellation(), parallel=parallel, progress=bars.advance, announced=bars.announce
        )
        for index, result in fetched:
            failed = isinstance(result, PileusError)
            bars.end(granules[index].file.name, None if isinstance(result, PileusError) else result.size, failed=failed)
            yield result


def _described(
    granules: "Iterable[Granule]", folder: Path, edge: "ProviderEdge", *, force: bool
) -> "Iterator[Granule]":
    """Return the granule with its size, if the file is here, so that an equal file is not downloaded again."""
    from dataclasses import replace

    for granule in granules:
        target = folder / granule.file.name
        if force:
            target.unlink(missing_ok=True)
        yield replace(granule, file=edge.describe(granule.file)) if target.is_file() else granule

"""A provider for specs of what goes wrong in the middle: it holds back archives while its gate is shut."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data.sample import serve
from spec.servers import free_port
from spec.support import tiny
from spec.support.stack import Project, project_of


class GatedSite:
    """Serves a folder over HTTP. `gate` holds back every archive while it is shut, and `served` counts them."""

    def __init__(self, folder: Path) -> None:
        self.port, self.served, self.gate = free_port(), [], threading.Event()
        self.asked = threading.Event()
        """Set once an archive was asked for."""
        self.shuts_after = 0
        """The gate shuts by itself once so many archives were served; 0: it does not."""
        self.seconds = 0.0
        """How long each archive takes besides."""
        self.listed: Callable[[], object] = lambda: None
        """Called before a folder is listed."""
        site = self

        class Gated(serve.Quiet):
            def do_GET(self) -> None:  # noqa: N802 - http.server names it
                if self.path.endswith(".tgz"):
                    site.asked.set()
                    site.gate.wait(120)
                    time.sleep(site.seconds)
                    site.served.append(self.path)
                    if len(site.served) == site.shuts_after:
                        site.gate.clear()
                else:
                    site.listed()
                super().do_GET()

        handler: Any = lambda *args: Gated(*args, directory=str(folder))  # noqa: E731
        self.server = serve.ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *args: None  # type: ignore[method-assign]  # clients are killed here
        self.gate.set()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def open_for(self, count: int) -> None:
        """Let so many archives through, and shut again."""
        self.shuts_after = len(self.served) + count
        self.gate.set()

    def close(self) -> None:
        """Let go of whoever waits, and stop."""
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()

    def provider(self) -> dict[str, Any]:
        """Its document."""
        return {"id": "site", "protocol": "http", "host": "127.0.0.1", "port": self.port}


@contextmanager
def stack_with_site(folder: Path, *, workers: int, lease: int) -> Iterator[Project]:
    """A stack whose claims last for `lease` seconds, and a folder for a site."""
    with project_of(folder) as project:
        (project.path / "site").mkdir()
        project.up(workers=workers, visibility_seconds=lease)
        yield project


@contextmanager
def gated(project: Project) -> Iterator[GatedSite]:
    """The site of the project's folder `site`."""
    made = GatedSite(project.path / "site")
    yield made
    made.close()


def published(project: Project, site: GatedSite, name: str, *months: str, **changes: Any) -> None:
    """A tiny collection of all these months, which `site` serves from the project's folder `site`."""
    project.document("data/providers/site.json", site.provider())
    path = f"/{name}/{{{{pointInTime}}}}/"
    tiny.collection(project, name, months[0], months[-1], **{"provider": "site", "provider_path": path} | changes)
    tiny.publish(project, name, *months)


def months(count: int) -> list[str]:
    """As many months, from January 2015 on."""
    return [f"{2015 + number // 12}{number % 12 + 1:02}" for number in range(count)]

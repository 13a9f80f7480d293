"""Fixtures over the servers: each gives a function that starts one on a folder; all are stopped at the end."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from spec.servers import Site, find, install, sessions, web

Start = Callable[..., Site]


def require(program: str) -> None:
    """Skip, loudly, where the server cannot be had."""
    reason = install()
    if not find(program):
        pytest.skip(reason or f"{program} is missing")


def _starter(program: str | None, server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    if program:
        require(program)
    with ExitStack() as stack:

        def start(folder: Path, **options: Any) -> Site:
            return stack.enter_context(server(folder, tmp_path_factory.mktemp("server"), **options))

        yield start


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    yield from _starter("nginx", web.nginx, tmp_path_factory)


@pytest.fixture
def apache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    yield from _starter("apache2", web.apache, tmp_path_factory)


@pytest.fixture
def lighttpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    yield from _starter("lighttpd", web.lighttpd, tmp_path_factory)


@pytest.fixture
def python_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    yield from _starter(None, web.python_server, tmp_path_factory)


@pytest.fixture
def vsftpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    yield from _starter("vsftpd", sessions.vsftpd, tmp_path_factory)


@pytest.fixture
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    yield from _starter("sshd", sessions.sshd, tmp_path_factory)


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The embedded AWS, one for the session: use names of your own."""
    pytest.importorskip("ministack", reason="the extra `embedded` is not installed")
    with sessions.ministack(tmp_path_factory.mktemp("ministack")) as site:
        yield site

"""Apache, nginx, lighttpd and Python's http.server, each serving a folder with its own index pages."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spec.servers import Site, find, free_port, running


@contextmanager
def nginx(
    folder: Path,
    work: Path,
    *,
    rate: str = "0",
    connections: int = 0,
    exact_size: bool = True,
    server: str = "",
    location: str = "",
    tls: tuple[Path, Path] | None = None,
) -> Iterator[Site]:
    """`rate`: bytes a second of each connection, such as `4m`; `connections`: more at once get 503.

    `server`, `location`: lines for these blocks; `tls`: certificate and key.
    """
    port = free_port()
    work.mkdir(parents=True, exist_ok=True)
    temporary = "".join(
        f"{kind}_temp_path {work}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    keys = f"ssl_certificate {tls[0]}; ssl_certificate_key {tls[1]};" if tls else ""
    limit = f"limit_conn all {connections}; limit_conn_status 503;" if connections else ""
    config = f"""
daemon off; master_process on; worker_processes 2; pid {work}/pid; error_log {work}/error.log; {_user()}
events {{ worker_connections 1024; }}
http {{
  {temporary}
  log_format spec '$time_iso8601 $request_method $request_uri $status $http_range $connection';
  access_log {work}/access.log spec;
  sendfile on; keepalive_requests 100000;
  limit_conn_zone $server_name zone=all:1m;
  types {{ text/html html htm; text/plain txt md5 sha256; }} default_type application/octet-stream;
  server {{
    listen 127.0.0.1:{port}{" ssl" if tls else ""}; server_name spec; root {folder}; {keys}
    autoindex on; autoindex_exact_size {"on" if exact_size else "off"};
    limit_rate {rate}; {limit}
    {server}
    location / {{ {location} }}
  }}
}}
"""
    (work / "nginx.conf").write_text(config)
    _open_up(folder)
    with running([find("nginx") or "nginx", "-p", str(work), "-c", str(work / "nginx.conf")], port) as process:
        yield Site(port, folder, "https" if tls else "http", work / "access.log", process=process)


@contextmanager
def apache(folder: Path, work: Path, *, options: str = "FancyIndexing") -> Iterator[Site]:
    """`options`: of IndexOptions."""
    port = free_port()
    work.mkdir(parents=True, exist_ok=True)
    modules = Path("/usr/lib/apache2/modules")
    loads = "\n".join(
        f"LoadModule {name}_module {modules}/mod_{name}.so"
        for name in ("mpm_event", "authz_core", "autoindex", "dir", "mime")
    )
    (work / "types").write_text("text/html html\ntext/plain txt\n")
    (work / "apache.conf").write_text(
        f"""
ServerRoot {work}
ServerName 127.0.0.1
PidFile {work}/pid
Mutex file:{work}
Listen 127.0.0.1:{port}
{loads}
TypesConfig {work}/types
ErrorLog {work}/error.log
LogLevel warn
{_apache_user()}
DocumentRoot {folder}
<Directory {folder}>
  Options Indexes
  IndexOptions {options}
  Require all granted
</Directory>
"""
    )
    _open_up(folder)
    with running([find("apache2") or "apache2", "-f", str(work / "apache.conf"), "-DFOREGROUND"], port) as process:
        yield Site(port, folder, process=process)


@contextmanager
def lighttpd(folder: Path, work: Path) -> Iterator[Site]:
    port = free_port()
    work.mkdir(parents=True, exist_ok=True)
    (work / "lighttpd.conf").write_text(
        f"""
server.document-root = "{folder}"
server.bind = "127.0.0.1"
server.port = {port}
server.modules = ("mod_dirlisting")
server.stat-cache-engine = "disable"
server.errorlog = "{work}/error.log"
dir-listing.activate = "enable"
mimetype.assign = (".html" => "text/html", ".txt" => "text/plain", "" => "application/octet-stream")
"""
    )
    with running([find("lighttpd") or "lighttpd", "-D", "-f", str(work / "lighttpd.conf")], port) as process:
        yield Site(port, folder, process=process)


@contextmanager
def python_server(folder: Path, work: Path) -> Iterator[Site]:
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]
    with running(command, port) as process:
        yield Site(port, folder, process=process)


def _user() -> str:
    return "user root;" if os.geteuid() == 0 else ""


def _apache_user() -> str:
    return "User www-data\nGroup www-data" if os.geteuid() == 0 else ""


def _open_up(folder: Path) -> None:
    """Allow Apache, which runs as www-data, to read the folders of pytest."""
    if os.geteuid() != 0:
        return
    for place in (folder, *folder.parents):
        if place.stat().st_uid == 0 and str(place).count("/") > 1:
            place.chmod(place.stat().st_mode | 0o055)

"""One worker as a process: downloads files under the connection budget of a table. For specs."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from pileus.documents import Provider
from pileus.download.fetch import download, granule_of
from pileus.edges.aws import Aws
from pileus.edges.budget_table import DynamoBudgetTable
from pileus.edges.providers import connect
from pileus.edges.secrets import Secrets
from pileus.edges.shared_connections import SharedConnections


def fetch(host: str, endpoint: str, table: str, seconds: float, folder: Path, names: Sequence[str]) -> None:
    """Download files of a host that allows ten connections. `seconds`: how long a lease lasts."""
    connections = SharedConnections(DynamoBudgetTable(Aws(endpoint).dynamodb, table), seconds=seconds)
    provider = Provider(id="site", protocol="http", host=host, globalConnectionLimit=10)
    with closing(connect(provider, secrets=Secrets(environ={}), connections=connections)) as edge:
        granules = [granule_of(f"http://{host}/{name}") for name in names]
        download(granules, folder, edge, parallel=4)

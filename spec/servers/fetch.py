"""One worker as a process: downloads files under the connection budget of a table. For specs.

python -m spec.servers.fetch HOST ENDPOINT TABLE LIMIT SECONDS FOLDER NAME...
"""

import sys
from contextlib import closing
from pathlib import Path

import boto3

from pileus.documents import Provider
from pileus.download.fetch import download, granule_of
from pileus.edges.budget_table import DynamoBudgetTable
from pileus.edges.providers import connect
from pileus.edges.secrets import Secrets
from pileus.edges.shared_connections import SharedConnections


def main() -> None:
    host, endpoint, table, limit, seconds, folder, *names = sys.argv[1:]
    client = boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    connections = SharedConnections(DynamoBudgetTable(client, table), seconds=float(seconds))
    provider = Provider(id="site", protocol="http", host=host, globalConnectionLimit=int(limit))
    with closing(connect(provider, secrets=Secrets(environ={}), connections=connections)) as edge:
        granules = [granule_of(f"http://{host}/{name}") for name in names]
        download(granules, Path(folder), edge, parallel=4)


if __name__ == "__main__":
    main()

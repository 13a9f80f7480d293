"""A node that serves the HTTP API of Stratus: `[stratus] type = rest`.

[stratus]
type = rest                 or openapi
host = 127.0.0.1            address to listen on
port = 5000                 0: any free one
names = node.example.org    other names that requests may call it
folder = PATH               where requests and results lie
files = PATH, PATH          folders below which inputs file:///PATH may lie
at_once = 4                 requests that are done at one time
api = core                  as settings for Stratus say; all paths are always served
"""

import threading
from getpass import getuser

from pileus.nodes.served import Served
from pileus.nodes.settings import HERE
from pileus.nodes.types import REST_PORT

EVERYWHERE = "0.0.0.0"
TOKENS = "tokens.json"
"""File of tokens in the node's folder: `pileus token add NAME --folder FOLDER` adds to it."""


def serve(served: Served) -> None:
    """Serve until told to stop. Prints the address and a token that is good until then.

    Raises UsageError for a port that is taken, and where the extra api is not installed.
    """
    from pileus.api.listen import check_installed, listening
    from pileus.api.roles import Role, TokenFile, new_token

    check_installed()
    from pileus.api.serve import LocalAuthority, node_server

    this, own = served.settings.this, new_token()
    authority = LocalAuthority(TokenFile(served.folder / TOKENS), own, Role.admin, getuser())
    with listening(served.settings.host, this.number("port", REST_PORT)) as bound:
        host = HERE if served.settings.host in (EVERYWHERE, HERE) else served.settings.host
        url = f"http://{host}:{bound.getsockname()[1]}"
        names = {*this.names("names"), host}
        made = node_server(served.service, authority, bound, names=names, audit=served.folder / "audit.log")

        def end() -> None:
            served.stopping.wait()
            made.should_exit = True

        threading.Thread(target=end, daemon=True).start()
        served.say(f"node at {url} with the token {own}; Ctrl-C stops it")
        made.run(sockets=[bound])

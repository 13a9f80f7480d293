"""Serve a folder over HTTP on 127.0.0.1 with a directory index, as the sample provider.

python data/sample/serve.py FOLDER PORT
"""

import argparse
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass


def serve(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server that is bound and waits for `serve_forever`. Raises OSError when the port is taken."""
    return ThreadingHTTPServer(("127.0.0.1", port), partial(Quiet, directory=str(folder)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    arguments = parser.parse_args()
    serve(arguments.folder, arguments.port).serve_forever()

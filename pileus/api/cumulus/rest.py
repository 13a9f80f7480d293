"""The convertor `rest` of paths: whatever follows, slashes and line breaks included. Starlette's `path` ends at a line
break, and an id with one would be answered as if there were no such route.
"""

from starlette.convertors import Convertor, register_url_convertor

NAME = "rest"


class _Rest(Convertor[str]):
    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor(NAME, _Rest())

"""Routes of standards by which a request that is not valid is 400, and not 422."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from pileus.errors import UsageError


class BadRequests(APIRoute):
    """A route that raises UsageError for a request that FastAPI finds wrong."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def checked(request: Request) -> Response:
            try:
                return await answer(request)
            except RequestValidationError as error:
                raise UsageError(first_of(error.errors())) from error

        return checked


def first_of(errors: Any) -> str:
    """Return where the first of pydantic's errors is, and what it says.

    >>> first_of([{"loc": ("query", "limit"), "msg": "Input should be an integer"}])
    'query/limit: Input should be an integer'
    """
    for one in errors:
        at = "/".join(map(str, one["loc"]))
        return f"{at}: {one['msg']}" if at else str(one["msg"])
    return "the request is not valid"

"""Routes that answer errors in the shape of another standard than the rest of the API."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from pileus.api.access import Forbidden, NotSignedIn, TooMany
from pileus.api.bad_requests import first_of
from pileus.errors import PileusError


class TellingRoute(APIRoute):
    """A route that answers every error in its own shape, but for those of signing in."""

    def refusal(self, status: HTTPStatus, message: str) -> Response:
        """Return the answer to a request that is wrong."""
        raise NotImplementedError

    def failure(self, error: PileusError) -> Response:
        """Return the answer to an error of Pileus."""
        raise NotImplementedError

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                return self.refusal(HTTPStatus.BAD_REQUEST, first_of(error.errors()))
            except HTTPException as error:
                return self.refusal(HTTPStatus(error.status_code), str(error.detail))
            except (NotSignedIn, Forbidden, TooMany):
                raise
            except PileusError as error:
                return self.failure(error)

        return answered

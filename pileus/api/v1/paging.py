"""What every list takes."""

from typing import Annotated

from fastapi import Query

from pileus.client.paging import MOST

Limit = Annotated[int, Query(ge=1, le=MOST, description="Items of a page.")]
Cursor = Annotated[str | None, Query(max_length=3000, description="`next` of the page before.")]

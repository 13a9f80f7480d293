"""What a handler is called with beside the event, where no Lambda runs it."""

import time
from uuid import uuid4


class TaskContext:
    """The fields of a Lambda's context that handlers read.

    `name`: of the function or task. `seconds`: the longest time of the event, from now. `arn`: of the function; `more`:
    further attributes, such as `activityArn`.
    """

    function_version = "$LATEST"

    def __init__(
        self, name: str, *, seconds: float, arn: str = "", memory: int = 0, more: dict[str, str] | None = None
    ) -> None:
        self.function_name = name
        self.invoked_function_arn = arn
        self.memory_limit_in_mb = str(memory)
        """MiB, as a text, as Lambda gives it."""
        self.aws_request_id = str(uuid4())
        self.log_group_name = f"/aws/lambda/{name}"
        self.log_stream_name = self.aws_request_id
        self.function_version = type(self).function_version
        self.identity = None
        self.client_context = None
        self._ends = time.monotonic() + seconds
        vars(self).update(more or {})

    def get_remaining_time_in_millis(self) -> int:
        """Return how many milliseconds the event has left; at least 0.

        >>> 0 < TaskContext("a", seconds=1).get_remaining_time_in_millis() <= 1000
        True
        """
        return max(0, int((self._ends - time.monotonic()) * 1000))

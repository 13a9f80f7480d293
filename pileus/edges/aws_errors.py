"""Translate the errors of boto3 into those of Pileus, with one table.

`guard` makes a boto3 client raise only our errors. `translated` does the same for a block, and adds the address that
the block is about.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pileus.errors import Conflict, Denied, NotFound, PileusError, StoreError, Unavailable

CONFLICT = frozenset(
    {
        "412",
        "ConditionalCheckFailedException",
        "ConditionalRequestConflict",
        "ConflictException",
        "PreconditionFailed",
    }
)
"""Codes of a conditional write whose condition was false: somebody else wrote first."""
ABSENT = frozenset(("NoSuchKey", "NoSuchBucket", "404", "NotFound"))
"""Codes of an object that does not exist."""
DENIED = frozenset(
    {
        "401",
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "AuthorizationError",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "KMSAccessDenied",
        "KMSOptInRequired",
        "KmsAccessDenied",
        "KmsAccessDeniedException",
        "KmsOptInRequired",
        "MissingAuthenticationToken",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
"""Codes of credentials without the right."""
PASSING = frozenset(
    {
        "ActivityWorkerLimitExceeded",
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "ExecutionLimitExceeded",
        "InternalError",
        "InternalException",
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "InternalServiceError",
        "KMSThrottling",
        "KMSThrottlingException",
        "KmsThrottled",
        "KmsThrottlingException",
        "LimitExceededException",
        "OperationAborted",
        "OverLimit",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServerException",
        "ServiceException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
        "Unavailable",
    }
)
"""Codes of an error that is temporary: the same call may succeed later."""
CANCELLED = {
    "ConditionalCheckFailed": "ConditionalCheckFailedException",
    "ProvisionedThroughputExceeded": "ProvisionedThroughputExceededException",
    "ThrottlingError": "ThrottlingException",
    "TransactionConflict": "TransactionConflictException",
}
"""Why a transaction was cancelled, in the words of single calls."""
SERVICES = {"SFN": "Step Functions", "Scheduler": "EventBridge Scheduler"}
"""Names of services for messages, where the id differs."""


def translate(error: Exception, service: str, where: str | None = None) -> PileusError:
    """Return our error for what botocore or boto3 raised.

    1. AWS answered: the code decides, then the HTTP status. 5xx and 429 may be retried.
    2. AWS did not answer: missing credentials are Denied; failed connections may be retried.
    3. Everything else is a StoreError that may not be retried.
    """
    from boto3.exceptions import S3UploadFailedError
    from botocore.exceptions import ClientError

    if isinstance(error, S3UploadFailedError) and isinstance(error.__context__, ClientError):
        error = error.__context__  # it names the refusal in its text only
    if isinstance(error, ClientError):
        return _refusal(error, service, where)
    kind = _unanswered(error)
    return kind(f"{service} cannot be reached: {error}", where=where)


def refused_in(code: str, message: str, operation: str, service: str, where: str) -> PileusError:
    """Return our error for one entry that was refused by a call which succeeded as a whole."""
    from botocore.exceptions import ClientError

    return translate(ClientError({"Error": {"Code": code, "Message": message}}, operation), service, where)


def _refusal(error: Any, service: str, where: str | None) -> PileusError:
    code = _code(error.response)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in ABSENT and service in ("S3", "the store"):
        return NotFound("there is no such object", where=where)
    if code in CONFLICT:
        return Conflict("changed meanwhile", where=where, code=code)
    said = f"{service} refused: {error}"
    if code in PASSING or status >= 500 or status == 429:
        return Unavailable(said, where=where, code=code)
    return (Denied if code in DENIED else StoreError)(said, where=where, code=code)


def _code(answer: Any) -> str:
    """Return AWS's word for a refusal; for a transaction that of the first item which does not pass by itself."""
    code = str(answer.get("Error", {}).get("Code", ""))
    if code != "TransactionCanceledException":
        return code
    reasons = [CANCELLED.get(one.get("Code"), one.get("Code")) for one in answer.get("CancellationReasons", ())]
    told = [str(reason) for reason in reasons if reason not in (None, "None")]
    return next((reason for reason in told if reason not in PASSING), told[0] if told else code)


def _unanswered(error: Exception) -> type[StoreError]:
    from botocore import exceptions as e

    passing = (e.ConnectionError, e.HTTPClientError, e.EndpointConnectionError, e.IncompleteReadError)
    if isinstance(error, (e.NoCredentialsError, e.PartialCredentialsError, e.CredentialRetrievalError)):
        return Denied
    return Unavailable if isinstance(error, passing) else StoreError


def guard(client: Any) -> Any:
    """Return the client, after a change that makes its calls, paginators and waiters raise only our errors."""
    from botocore.exceptions import BotoCoreError, ClientError

    call = client._make_api_call  # every method of a client, its paginators and its transfers go through this one
    id = client.meta.service_model.service_id
    service = SERVICES.get(id, id)

    def guarded(operation: str, parameters: Any) -> Any:
        try:
            return call(operation, parameters)
        except (BotoCoreError, ClientError) as exc:
            raise translate(exc, service, _about(parameters)) from exc

    client._make_api_call = guarded
    return client


def _about(parameters: Any) -> str | None:
    """Return what a call is about, from its parameters."""
    if "Key" in parameters and "Bucket" in parameters:
        return f"s3://{parameters['Bucket']}/{parameters['Key']}"
    names = ("Bucket", "TableName", "QueueUrl", "TopicArn", "executionArn", "stateMachineArn", "StackName", "Name")
    return next((str(parameters[name]) for name in names if name in parameters), None)


@contextmanager
def translated(where: str, service: str = "the store") -> Iterator[None]:
    """Translate what the block raises into our errors, which name `where`."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (StoreError, NotFound) as exc:
        exc.where = where
        raise
    except (BotoCoreError, ClientError, Boto3Error) as exc:
        raise translate(exc, service, where) from exc

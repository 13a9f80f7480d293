"""The API's stack: an HTTP API of API Gateway in front of one Lambda, which runs the worker's image. AWS only.

The image, because what the API needs does not fit into a zip: 250 MB hold no Arrow with GDAL twice.
"""

import json
from typing import Any

from aws_cdk import ArnFormat, CfnOutput, Fn, Stack
from aws_cdk import aws_apigatewayv2 as gateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra import reasons
from infra.alarms import FIVE, alarm
from infra.api_access import allow_api
from infra.core import Core
from infra.network import log_group
from infra.settings import Settings
from infra.tasks import IN_IMAGE, Task
from pileus.deploy.api_settings import ApiSettings
from pileus.documents.task import TaskDefinition
from pileus.task_folder import FOLDER

SECONDS = 29
"""Longest time for an answer: the gateway waits for 30."""
FAILURES = 5
"""Answers with 5xx in five minutes for which a person is told."""
STAGE = "$default"
SCRATCH = "/tmp"
"""The one place that a Lambda may write to."""
LOGGED = {
    "id": "$context.requestId",
    "time": "$context.requestTime",
    "from": "$context.identity.sourceIp",
    "signed": "$context.identity.userArn",
    "did": "$context.httpMethod $context.path",
    "route": "$context.routeKey",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "milliseconds": "$context.responseLatency",
    "problem": "$context.error.message $context.integrationErrorMessage",
}
"""A line of the access log. It has no query and no header: a token may be there."""
COSTED = (
    "architecture",
    "compute",
    "idle_minutes",
    "instance",
    "max_instances",
    "max_vcpus",
    "max_workers",
    "spot",
    "visibility_seconds",
    "volume_size",
    "worker_cpu",
    "worker_memory",
)
"""Settings that costs are made from: see pileus/deploy/cost.py."""


class Api(Stack):
    """Names, connections and grants; who may ask is said in pileus/api/lambda_handler.py."""

    def __init__(self, scope: Construct, *, settings: Settings, api: ApiSettings, core: Core, **kwargs: Any) -> None:
        super().__init__(scope, f"{settings.stack}-api", **kwargs)
        self.settings, self.api = settings, api
        self.gateway = gateway.CfnApi(
            self,
            "Gateway",
            name=settings.stack,
            description=f"The HTTP API of {settings.stack}",
            protocol_type="HTTP",
            disable_execute_api_endpoint=api.endpoint == "off",
        )
        self.names = self._names()
        self.task = self._lambda(core)
        allow_api(self.task.role, settings, core)
        self._let_in()
        self._routes()
        self._stage()
        self._alarms(core)
        reasons.give(self, reasons.API)
        CfnOutput(self, "PileusUrl", value=f"https://{self.names[0]}")
        CfnOutput(self, "PileusApiArn", value=f"{self._arn()}/{STAGE}")

    def _names(self) -> list[str]:
        """Return the names by which the API is called, the one to tell people first."""
        given = f"{self.gateway.ref}.execute-api.{self.region}.{self.url_suffix}"
        return [*self.api.domain_names, *([given] if self.api.endpoint == "on" else [])]

    def _arn(self) -> str:
        """Return the ARN of the API, as policies about who may ask name it."""
        return self.format_arn(service="execute-api", resource=self.gateway.ref, arn_format=ArnFormat.NO_RESOURCE_NAME)

    def _lambda(self, core: Core) -> Task:
        """Add the Lambda. Its environment names the stack, as a worker's does, and who may sign in."""
        settings, sign_in = self.settings, self.api.sign_in
        environment = {
            **core.names,
            **core.named_workflows,
            "PILEUS_SCHEDULE_ROLE": core.schedule_role.role_arn,
            "PILEUS_API_HOSTS": Fn.join(",", self.names),
            "PILEUS_SIGN_IN": sign_in.model_dump_json(exclude_defaults=True) if sign_in else "",
            "PILEUS_DEPLOYMENT": json.dumps({name: getattr(settings, name) for name in COSTED}),
            "PILEUS_SCRATCH": SCRATCH,
            "TMPDIR": SCRATCH,
            "NUMBA_CACHE_DIR": f"{SCRATCH}/.kernels",
            **({FOLDER: IN_IMAGE} if core.has_tasks else {}),
        }
        definition = TaskDefinition(
            description="The HTTP API.",
            runs="lambda",
            function="pileus.api.lambda_handler:handler",
            image=settings.worker_image,
            memory=self.api.memory,
            timeout=SECONDS,
        )
        return Task(
            self,
            "Api",
            full_name=f"{settings.stack}-Api",
            handler="pileus.api.lambda_handler.handler",
            settings=settings,
            code=None,
            environment=environment,
            definition=definition,
        )

    def _let_in(self) -> None:
        """Let this gateway, and nobody else, invoke the Lambda: whoever may could say in an event who asks."""
        principal = iam.ServicePrincipal("apigateway.amazonaws.com")
        self.task.function.add_permission("Gateway", principal=principal, source_arn=f"{self._arn()}/*/*")

    def _routes(self) -> None:
        """Send everything to the Lambda: below `/signed/ROLE/` what is signed by who may, elsewhere as it comes."""
        made = gateway.CfnIntegration(
            self,
            "Integration",
            api_id=self.gateway.ref,
            integration_type="AWS_PROXY",
            integration_uri=self.task.function.function_arn,
            payload_format_version="2.0",
            timeout_in_millis=30_000,
        )
        target = f"integrations/{made.ref}"
        for role in dict.fromkeys(self.api.signed):
            gateway.CfnRoute(
                self,
                f"Signed{role.title()}",
                api_id=self.gateway.ref,
                route_key=f"ANY /signed/{role}/{{proxy+}}",
                authorization_type="AWS_IAM",
                target=target,
            )
        gateway.CfnRoute(
            self, "Rest", api_id=self.gateway.ref, route_key=STAGE, authorization_type="NONE", target=target
        )

    def _stage(self) -> None:
        """Add the one stage, with its access log and its throttling."""
        logs = log_group(self, self.settings, f"/aws/vendedlogs/apis/{self.settings.stack}", id="AccessLogs")
        gateway.CfnStage(
            self,
            "Stage",
            api_id=self.gateway.ref,
            stage_name=STAGE,
            auto_deploy=True,
            access_log_settings=gateway.CfnStage.AccessLogSettingsProperty(
                destination_arn=logs.log_group_arn, format=json.dumps(LOGGED)
            ),
            default_route_settings=gateway.CfnStage.RouteSettingsProperty(
                throttling_rate_limit=self.api.rate,
                throttling_burst_limit=self.api.burst,
                detailed_metrics_enabled=True,
            ),
        )

    def _alarms(self, core: Core) -> None:
        topic, function = core.alarms.topic, self.task.function
        slow = 1000 * self.api.slow_seconds
        every = (
            ("ApiFailures", self._measured("5xx", "Sum"), FAILURES, "The API failed: its log says why."),
            ("ApiErrors", function.metric_errors(period=FIVE), 1, "The API's Lambda ended, or took too long."),
            ("ApiThrottled", function.metric_throttles(period=FIVE), 1, "The account has too few Lambdas at once."),
            ("ApiSlow", self._measured("Latency", "p95"), slow, "One of twenty answers takes too long: raise memory."),
        )
        for name, metric, threshold, description in every:
            alarm(self, self.settings, topic, name, metric, threshold, description)

    def _measured(self, name: str, statistic: str) -> cloudwatch.Metric:
        dimensions = {"ApiId": self.gateway.ref}
        return cloudwatch.Metric(
            namespace="AWS/ApiGateway",
            metric_name=name,
            statistic=statistic,
            period=FIVE,
            dimensions_map=dimensions,
        )

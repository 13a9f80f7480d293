"""Check what a deployment or a backfill needs."""

import shutil
import socket
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from pileus.cell.servant import lacking
from pileus.deploy.cost import told
from pileus.deploy.figures import read_prices
from pileus.deploy.images import engine, has
from pileus.documents import Collection, Provider
from pileus.documents.engine import IMAGE
from pileus.edges.aws import Aws
from pileus.edges.providers.address import base_of, origin_of
from pileus.errors import StoreError

QUOTAS = {
    "ec2": ("ec2", "L-1216C47A", "vCPUs of on-demand instances"),
    "ec2 spot": ("ec2", "L-34B43A08", "vCPUs of spot instances"),
    "fargate": ("fargate", "L-3032A538", "Fargate vCPUs"),
    "fargate spot": ("fargate", "L-36FBB829", "Fargate spot vCPUs"),
}
"""Service, code and name of the quota that limits the workers' processors."""
DISK = ("ebs", "L-7A658B76", "TiB of gp3 volumes")
LAMBDA = ("lambda", "L-B99A9384", "Lambdas at once")
FREE = 5 * 10**9
"""Bytes that the embedded stack should find free."""
SECONDS = 5.0
OLD_DAYS = 365
"""Age after which the table of prices counts as old: AWS changes some of its list prices in most years, and newer
families of instances come about once a year.
"""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    name: str
    ok: bool | None
    """None: it could not be found out."""
    found: str
    advice: str = ""
    """What to do about it."""
    deployment_only: bool = False
    """Whether only a deployment needs it."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def examine(aws: Aws, settings: Any, providers: Iterable[Provider], root: Path, *, today: date) -> list[Check]:
    """Run all checks. `settings`: the project's own."""
    account = credentials(aws)
    checks = [account, docker(settings), disk(root), cell(), prices(read_prices(), today)]
    if account.ok:
        checks += [replace(check, deployment_only=True) for check in quotas(aws, settings)]
    return checks + [reachable(provider) for provider in providers]


def credentials(aws: Aws) -> Check:
    """Check whether there are credentials, and whose."""
    try:
        who = aws.sts.get_caller_identity()
    except StoreError as exc:
        advice = "run `aws configure` or `aws sso login`, or set AWS_PROFILE; only a deployment needs them"
        return Check("AWS credentials", False, str(exc), advice, deployment_only=True)
    return Check("AWS credentials", True, f"{who['Arn']} in {aws.sts.meta.region_name}", deployment_only=True)


def quotas(aws: Aws, settings: Any) -> list[Check]:
    """Check the account's limits against what the settings would use at most."""
    kind = f"{settings.compute}{' spot' if settings.spot else ''}"
    gibibytes = settings.max_instances * (settings.volume_size + 30)
    checks = [
        quota(aws, *QUOTAS[kind], settings.max_vcpus),
        quota(aws, *LAMBDA, settings.point_concurrency),
    ]
    return checks + ([quota(aws, *DISK, gibibytes / 1024)] if settings.compute == "ec2" else [])


def quota(aws: Aws, service: str, code: str, name: str, needed: float) -> Check:
    """Check one limit of the account."""
    try:
        limit = aws.quotas.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"]
    except StoreError as exc:
        return Check(
            name, None, f"cannot be read: {exc}", "allow servicequotas:GetServiceQuota, or look in the console"
        )
    found = f"{limit:g} allowed, {needed:g} wanted at most"
    advice = f"lower max_workers, or ask AWS to raise quota {code} of {service}"
    return Check(name, limit >= needed, found, advice)


def docker(settings: Any) -> Check:
    """Check whether images can be built and workers run in containers. A missing engine is no failure."""
    needed = "only `pileus images`, the images of `pileus deploy`, and `pileus up --workers docker` need it"
    if shutil.which("docker") is None:
        return Check("Docker", None, "not installed", needed)
    version = engine()
    if version is None:
        advice = f"start it: `systemctl start docker`, or `dockerd`; {needed}"
        return Check("Docker", None, "its engine does not answer", advice)
    image = settings.worker_image
    return Check("Docker", True, f"engine {version}; worker_image {image or 'not set'}")


def gippy(collections: Iterable[Collection]) -> list[Check]:
    """Check whether this machine has the workers of collections whose engine is gippy. Nothing where there are none."""
    names = [one.name for one in collections if one.meta.process and one.meta.process.engine == "gippy"]
    if not names:
        return []
    there = engine() is not None and has(IMAGE)
    found = f"{IMAGE} is {'here' if there else 'not built'}; wanted by {', '.join(names)}"
    advice = "`pileus images base process_group gippy`, then `pileus up --workers gippy:2`"
    return [Check("engine gippy", there, found, advice)]


def disk(root: Path) -> Check:
    """Check the free bytes where the embedded stack works."""
    free = shutil.disk_usage(root).free
    advice = f"free some: one group of six tiles needs about {FREE / 1e9:g} GB"
    return Check("disk", free >= FREE, f"{free / 1e9:.1f} GB free at {root}", advice)


def cell() -> Check:
    """Check whether this machine allows all that confines the process that opens strangers' files."""
    missing = lacking()
    if not missing:
        return Check("cell", True, "no credentials, network, files or processes of others")
    advice = "workers here still have a cell, with what there is; the newest kernel has all of it (docs/concepts.md)"
    return Check("cell", None, "; ".join(missing), advice)


def prices(table: Mapping[str, Any], today: date) -> Check:
    """Check the age of the table of prices, which estimates are made from."""
    age = (today - date.fromisoformat(table["date"])).days
    found = f"{age} days old: {told(table)}"
    advice = f"older than {OLD_DAYS} days: compare data/prices.json with its source before you rely on an estimate"
    return Check("prices", age <= OLD_DAYS, found, advice, deployment_only=True)


def reachable(provider: Provider) -> Check:
    """Check whether the provider accepts a connection."""
    name = f"provider {provider.id}"
    if provider.protocol == "file":
        there = Path(provider.host or "/").exists()
        return Check(name, there, provider.host or "/", "the folder is missing")
    host, port = _address(provider)
    try:
        socket.create_connection((host, port), timeout=SECONDS).close()
    except OSError as exc:
        advice = "look at host and port in its document; at a proxy or firewall; at the provider's own status page"
        return Check(name, False, f"{host}:{port}: {exc}", advice)
    return Check(name, True, f"{host}:{port} answers")


def _address(provider: Provider) -> tuple[str, int]:
    if provider.protocol == "s3":
        origin = origin_of(provider.endpoint or "https://s3.amazonaws.com")
    else:
        origin = base_of(provider).origin
    return origin.host, origin.port

"""What the workers of one service are: their image, size, disk and number, and the queues they take from."""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.core import Core
from infra.queue import FedQueue
from infra.settings import FARGATE_DISK, FARGATE_MEMORY, INSTANCES, RESERVED_MIB, Settings
from infra.tasks import IN_IMAGE, OwnTask
from pileus.errors import UsageError
from pileus.task_folder import FOLDER


@dataclass(frozen=True)
class Instances:
    """EC2 instances of one kind. `most`: at once; `volume`: GB of the disk that their workers share, 0 for none;
    `root`: GB of the disk of the operating system, where images and volumes of tasks lie.
    """

    name: str
    """Of the launch template and the Auto Scaling group; the capacity provider has another."""
    provider: str
    type: str
    volume: int
    most: int
    gpu: bool = False
    root: int = 30


@dataclass(frozen=True)
class Shape:
    """One service."""

    name: str
    """Of the service, its log group and its task definition, after the stack's name."""
    image: str
    cpu: int
    """CPU units; 1024 are one vCPU."""
    memory: int
    """MiB."""
    gpu: int
    disk: int
    """GB of ephemeral storage on Fargate."""
    environment: Mapping[str, str]
    command: tuple[str, ...]
    """Empty for the image's own."""
    queues: Mapping[str, FedQueue]
    max_workers: int
    per_worker: int
    """Messages waiting or under way for which one more worker is started."""
    own: Instances | None = None
    """Instances that only this service uses; None for those that services share."""


def shared_instances(settings: Settings) -> Instances:
    """Return the instances of the workers of groups, which small tasks share."""
    name, most = f"{settings.stack}-workers", settings.max_instances
    return Instances(name, f"{settings.stack}-machines", settings.instance, settings.volume_size, most)


def shape_of_groups(settings: Settings, core: Core) -> Shape:
    """Return the service of process_group."""
    assert settings.worker_image  # the stack is made only where there is one
    return Shape(
        name="workers",
        image=settings.worker_image,
        cpu=settings.worker_cpu,
        memory=settings.worker_memory,
        gpu=0,
        disk=settings.volume_size,
        environment=settings.worker_environment | ({FOLDER: IN_IMAGE} if core.has_tasks else {}),
        command=(),
        queues={"ingest": core.ingest, "backfill": core.backfill},
        max_workers=settings.max_workers,
        per_worker=settings.groups_per_worker,
    )


def shape_of_task(settings: Settings, task: OwnTask) -> Shape:
    """Return the service of a project's task. Raises UsageError where the settings cannot give what it asks for."""
    wanted = task.definition
    assert task.queue  # it runs in workers
    assert settings.worker_image
    if wanted.foreign:
        return _shape_of_launcher(settings.worker_image, task, task.queue)
    cpu, memory = wanted.cpu or 1024, wanted.memory or 2048
    own = _own(settings, task, cpu, memory) if settings.compute == "ec2" else None
    if settings.compute == "fargate":
        _check_fargate(task, cpu, memory)
    return Shape(
        name=f"task-{task.name}",
        image=wanted.image or settings.worker_image,
        cpu=cpu,
        memory=memory,
        gpu=wanted.gpu,
        disk=wanted.volume or FARGATE_DISK[0],
        environment={FOLDER: IN_IMAGE, **wanted.environment},
        command=wanted.command or ("python", "-m", "pileus", "worker", "--task", task.name),
        queues={metric_of(task): task.queue},
        max_workers=wanted.max_workers,
        per_worker=1,
        own=own,
    )


def _shape_of_launcher(image: str, task: OwnTask, queue: FedQueue) -> Shape:
    """Return the service of a task in somebody's image: its workers only run tasks of ECS, and wait for them."""
    return Shape(
        name=f"task-{task.name}",
        image=image,
        cpu=256,
        memory=512,
        gpu=0,
        disk=FARGATE_DISK[0],
        environment={FOLDER: IN_IMAGE},
        command=("python", "-m", "pileus", "worker", "--task", task.name),
        queues={metric_of(task): queue},
        max_workers=task.definition.max_workers,
        per_worker=1,
    )


def metric_of(task: OwnTask) -> str:
    """Return what the metrics of a task's queue are called."""
    return f"task_{task.name}".replace("-", "_")


def _own(settings: Settings, task: OwnTask, cpu: int, memory: int) -> Instances | None:
    """Return instances of its own, where the task asks for a type or a volume."""
    wanted = task.definition
    kind = wanted.instance_type or settings.instance
    size = INSTANCES.get(kind.partition(".")[2])
    if size is not None and (cpu > size[0] * 1024 or memory > size[1] * 1024 - RESERVED_MIB):
        raise wrong_task(task, f"cpu {cpu} and memory {memory} do not fit on {kind}")
    if not (wanted.instance_type or wanted.volume):
        return None
    fit = min(size[0] * 1024 // cpu, (size[1] * 1024 - RESERVED_MIB) // memory) if size and not wanted.gpu else 1
    workers = min(fit, wanted.max_workers)
    name = f"{settings.stack}-task-{task.name}"
    volume = (wanted.volume or settings.volume_size) * workers
    return Instances(name, name, kind, volume, -(-wanted.max_workers // fit), gpu=wanted.gpu > 0)


def _check_fargate(task: OwnTask, cpu: int, memory: int) -> None:
    wanted = task.definition
    if wanted.gpu or wanted.instance_type:
        raise wrong_task(task, "gpu and instance_type need compute ec2: Fargate has neither")
    if cpu not in FARGATE_MEMORY:
        raise wrong_task(task, f"cpu: Fargate has {', '.join(map(str, FARGATE_MEMORY))}, not {cpu}")
    least, most, step = FARGATE_MEMORY[cpu]
    if not least <= memory <= most or memory % step:
        raise wrong_task(task, f"memory: with cpu {cpu}, Fargate has {least} to {most} in steps of {step}")
    low, high = FARGATE_DISK
    if wanted.volume and not low <= wanted.volume <= high:
        raise wrong_task(task, f"volume: Fargate has {low} to {high} GB")


def wrong_task(task: OwnTask, why: str) -> UsageError:
    return UsageError(why, where=f"tasks/{task.name}/task.json")

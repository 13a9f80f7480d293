"""vsftpd, OpenSSH's sftp and the embedded AWS (S3, DynamoDB), on the loopback interface."""

import getpass
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spec.servers import Site, find, free_port, running


@contextmanager
def vsftpd(folder: Path, work: Path, *, clients: int = 0) -> Iterator[Site]:
    """Anonymous FTP to `folder`; `clients`: more sessions at once are refused with 421."""
    port = free_port()
    work.mkdir(parents=True, exist_ok=True)
    user = pwd.getpwuid(os.geteuid()).pw_name
    secure = work / "empty"
    secure.mkdir(exist_ok=True)
    root = "" if os.geteuid() == 0 else "run_as_launching_user=YES"
    (work / "vsftpd.conf").write_text(
        f"""
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
anonymous_enable=YES
anon_root={folder}
no_anon_password=YES
ftp_username={"ftp" if os.geteuid() == 0 else user}
local_enable=NO
write_enable=NO
xferlog_enable=YES
vsftpd_log_file={work}/log
dual_log_enable=NO
log_ftp_protocol=YES
secure_chroot_dir={secure}
max_clients={clients}
seccomp_sandbox=NO
pasv_address=127.0.0.1
{root}
"""
    )
    for place in (folder, *folder.parents):
        if os.geteuid() == 0 and str(place).count("/") > 1:
            place.chmod(place.stat().st_mode & ~0o022 | 0o055)
    with running([find("vsftpd") or "vsftpd", str(work / "vsftpd.conf")], port) as process:
        yield Site(port, folder, "ftp", work / "log", process=process)


@contextmanager
def sshd(folder: Path, work: Path) -> Iterator[Site]:
    """SFTP as the user who runs the specs; `extra`: user, private_key (text), host_key (line)."""
    port = free_port()
    work.mkdir(parents=True, exist_ok=True)
    work.chmod(0o700)
    for name in ("host", "user"):
        key = work / f"{name}_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (work / "authorized").write_text((work / "user_key.pub").read_text())
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    (work / "sshd_config").write_text(
        f"""
ListenAddress 127.0.0.1
Port {port}
HostKey {work}/host_key
AuthorizedKeysFile {work}/authorized
PidFile {work}/pid
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
MaxSessions 100
Subsystem sftp internal-sftp
"""
    )
    command = [find("sshd") or "sshd", "-D", "-e", "-f", str(work / "sshd_config")]
    with running(command, port) as process:
        facts = {
            "user": getpass.getuser(),
            "private_key": (work / "user_key").read_text(),
            "host_key": (work / "host_key.pub").read_text(),
        }
        yield Site(port, folder, "sftp", extra=facts, process=process)


@contextmanager
def ministack(work: Path) -> Iterator[Site]:
    """The embedded AWS. Its S3 and DynamoDB are empty."""
    port = free_port()
    work.mkdir(parents=True, exist_ok=True)
    environ = {
        **os.environ,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "S3_PERSIST": "0",
        "PERSIST_STATE": "0",
        "HOME": str(work),
    }
    command = [sys.executable, "-m", "hypercorn", "ministack.app:app", "--bind", f"127.0.0.1:{port}"]
    with running(command, port, env=environ) as process:
        yield Site(port, work, process=process)


def aws_client(site: Site, service: str) -> object:
    import boto3

    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=site.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )

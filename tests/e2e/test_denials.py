"""What an agent must not do, it is refused at once, and what concerns files stands in the log with the layer's name."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.harness import AGENTS

pytestmark = pytest.mark.needs("program:git")

SECRET = "TOP-SECRET-8d1f"


@pytest.fixture(scope="module")
def run(shared_sandbox):
    """One agent that tries everything, in a workspace that the host has prepared with traps."""
    box = shared_sandbox
    work = box.workspace
    (box.home / ".ssh").mkdir(mode=0o700)
    (box.home / ".ssh" / "id_ed25519").write_text(SECRET)
    (box.base / "outside.txt").write_text(SECRET)
    for name in (".env", "server.pem", "sub/.env.production", "vault/.aws/credentials"):
        box.write(name, SECRET)
    box.write(".vscode/settings.json", "{}")
    (work / "link-to-shadow").symlink_to("/etc/shadow")
    (work / "link-to-env").symlink_to(".env")
    (work / "link-to-key").symlink_to(box.home / ".ssh" / "id_ed25519")
    (work / "link-to-outside").symlink_to("../outside.txt")
    os.link(work / ".env", work / "hard-to-env")
    os.link(box.home / ".ssh" / "id_ed25519", work / "hard-to-key")
    subprocess.run(["git", "init", "-q"], cwd=work, env=box.environment(), check=True)
    box.write("agent.py", (AGENTS / "trespasser.py").read_bytes())
    box.own()
    result = box.exec("python3", "agent.py", str(box.base / "outside.txt"), timeout=120)
    assert result.code == 0, result.err
    return box, result, json.loads(result.out)


READING = {
    "etc_shadow": ("EACCES", "/etc/shadow"),
    "etc_shadow_by_dots": ("EACCES", "/etc/shadow"),
    "ssh_key": ("EACCES ENOENT", "{home}/.ssh"),
    "ssh_rsa_key": ("EACCES ENOENT", "{home}/.ssh"),
    "dot_env": ("EACCES", "{work}/.env"),
    "pem": ("EACCES", "{work}/server.pem"),
    "nested_dot_env": ("EACCES", "{work}/sub/.env.production"),
    "link_by_host_to_shadow": ("EACCES", "/etc/shadow"),
    "link_by_host_to_env": ("EACCES", "{work}/.env"),
    "link_by_host_to_key": ("EACCES ENOENT", "{home}/.ssh"),
    "link_by_host_to_outside": ("ENOENT", "{base}/outside.txt"),
    "hard_link_by_host_to_env": ("EACCES", "{work}/"),
    "outside": ("ENOENT", "{base}/outside.txt"),
    "outside_by_proc_self_root": ("ENOENT", "{base}/outside.txt"),
    "outside_by_proc_self_cwd": ("ENOENT", "{base}/outside.txt"),
    "root_home": ("ENOENT", "/root"),
    "other_home": ("ENOENT", "/home"),
    "audit_log": ("ENOENT", "{base}/state"),
    "link_by_agent_to_shadow": ("EACCES", "/etc/shadow"),
    "hard_link_by_agent_to_env": ("EACCES", "{work}/"),
    "hard_link_by_agent_to_shadow": ("EACCES EXDEV EPERM", None),
    "copy_of_secret": ("EACCES", "{work}/.env"),
    "secret_by_rename": ("EACCES", "{work}/.env"),
    "secret_directory_renamed_down": ("EACCES", "{work}/vault/.aws"),
    "parent_of_secret_renamed_then_read": ("EACCES", "{work}/"),
    "secret_by_exchange": ("EACCES", "{work}/"),
    "directory_renamed_up_to_secret": ("EACCES", "{work}/"),
    "secret_removed": ("EACCES", "{work}/.env"),
    "secret_truncated": ("EACCES", "{work}/.env"),
    "secret_chmod": ("EACCES", "{work}/.env"),
}
CHANGING = {
    "usr_create": ("EROFS EACCES", "/usr/planted"),
    "usr_write": ("EROFS EACCES", "/usr/bin/env"),
    "etc_write": ("EROFS EACCES", "/etc/passwd"),
    "usr_unlink": ("EROFS EACCES", "/usr/bin/env"),
    "usr_rename": ("EROFS EACCES", "/usr/bin/env"),
    "usr_chmod": ("EROFS EACCES", "/usr/bin/env"),
    "usr_mkdir": ("EROFS EACCES", "/usr/planted.d"),
    "root_mkdir": ("EROFS EACCES", "/planted"),
    "git_hook": ("EACCES", "{work}/.git/hooks/pre-commit"),
    "envrc": ("EACCES", "{work}/.envrc"),
    "vscode_tasks": ("EACCES", "{work}/.vscode/tasks.json"),
    "bashrc_in_workspace": ("EACCES", "{work}/.bashrc"),
    "git_hook_by_rename": ("EACCES", "{work}/"),
    "git_hook_by_link": ("EACCES", "{work}/"),
    "git_hook_by_symlink": ("EACCES", "{work}/.git/hooks/pre-push"),
    "git_hook_by_renamed_directory": ("EACCES", "{work}/"),
    "workflow": ("EACCES", "{work}/.github/workflows"),
    "git_fsmonitor": ("EACCES", "{work}/.git/config"),
    "git_hookspath": ("EACCES", "{work}/.git/config"),
    "git_alias": ("EACCES", "{work}/.git/config"),
    "git_sshcommand": ("EACCES", "{work}/.git/config"),
    "git_config_by_writing": ("EACCES", "{work}/.git/config"),
    "git_config_by_small_writes": ("EACCES", "{work}/.git/config"),
    "git_config_by_rename": ("EACCES", "{work}/"),
}
"""Attempt → errnos that refuse it, and how the object that the log must name begins (None: the kernel refused)."""

KERNEL = {
    "hard_link_by_host_to_key": "EACCES",
    "secret_by_open_by_handle": "EPERM ENOTSUP EACCES",
    "dev_create": "EROFS EACCES",
    "proc_sys": "EROFS EACCES",
    "sysrq": "EROFS EACCES ENOENT",
    "proc_kcore": "EACCES ENOENT got-nothing",
    "proc_1_environ": "EACCES EPERM",
    "proc_1_mem": "EACCES EPERM",
    "proc_1_maps": "EACCES EPERM",
    "proc_1_root_shadow": "EACCES EPERM",
    "proc_1_cwd": "EACCES EPERM",
    "supervisor_fd": "EACCES EPERM",
    "kill_init": "EPERM EACCES",
    "exec_in_home": "EACCES",
    "exec_in_home_by_loader": "EACCES",
    "exec_in_shm": "EACCES",
    "map_code_from_home": "EPERM EACCES",
    "memfd": "EPERM EACCES",
    "memfd_noexec_exec": "EACCES EPERM",
    "memfd_noexec_chmod": "EPERM EACCES",
    "set_id_program": "EPERM EACCES",
    "ptrace_init": "EPERM",
    "ptrace_parent": "EPERM",
    "mount_tmpfs": "EPERM",
    "mount_remount": "EPERM",
    "umount": "EPERM",
    "pivot_root": "EPERM",
    "chroot": "EPERM",
    "unshare_user": "EPERM",
    "unshare_mount": "EPERM",
    "clone3": "ENOSYS",
    "setns": "EPERM",
    "open_tree": "EPERM",
    "fsopen": "EPERM",
    "move_mount": "EPERM",
    "bpf": "EPERM",
    "io_uring": "ENOSYS EPERM",
    "userfaultfd": "EPERM ENOSYS",
    "perf": "EPERM ENOSYS",
    "keyctl": "EPERM",
    "add_key": "EPERM",
    "kexec": "EPERM",
    "init_module": "EPERM",
    "open_by_handle": "EPERM",
    "process_vm_readv": "EPERM",
    "pidfd_getfd": "EPERM EBADF",
    "kcmp": "EPERM",
    "fanotify": "EPERM",
    "syslog": "EPERM",
    "swapon": "EPERM",
    "reboot": "EPERM",
    "sethostname": "EPERM",
    "settimeofday": "EPERM",
    "mknod_device": "EPERM EACCES",
    "future_call": "ENOSYS",
    "tiocsti": "EPERM",
    "tioclinux": "EPERM",
    "raw_socket": "EPERM EACCES EAFNOSUPPORT",
    "raw_socket_6": "EPERM EACCES EAFNOSUPPORT",
    "packet_socket": "EAFNOSUPPORT EPERM",
    "vsock": "EAFNOSUPPORT EPERM",
    "netfilter": "EAFNOSUPPORT EPERM EPROTONOSUPPORT",
    "internet": "ENETUNREACH",
    "setuid_root": "EPERM EINVAL",
    "loopback_down": "EPERM",
}


def _tricks(names, stops):
    return [pytest.param(name, marks=pytest.mark.trick(name.replace("_", " "), stops=stops)) for name in names]


BY_LABEL = "the label is the object's, by whatever way it is reached"
BY_TREE = "mode and label of the tree; configuration of git is judged as it would be"


@pytest.mark.parametrize("name", [*_tricks(READING, BY_LABEL), *_tricks(CHANGING, BY_TREE)])
def test_refused_and_recorded(run, name):
    box, result, found = run
    errnos, named = {**READING, **CHANGING}[name]
    assert found[name][0] == "errno" and found[name][1] in errnos.split(), found[name]
    if named is None:
        return
    prefix = named.format(work=box.workspace, home=box.home, base=box.base)
    records = [record for record in result.denials if record["object"].startswith(prefix)]
    assert records, f"no deny of {prefix}"
    assert all(record["layer"] and record["reason"].startswith(record["layer"] + ".") for record in records)


@pytest.mark.parametrize("name", _tricks(KERNEL, "seccomp, no capability, noexec, own namespaces"))
def test_refused_by_the_kernel(run, name):
    _, _, found = run
    expected = KERNEL[name].split()
    if found[name] == ["got", ""]:
        assert "got-nothing" in expected
    else:
        assert found[name][0] == "errno" and found[name][1] in expected, found[name]


def test_every_attempt_is_looked_at(run):
    _, _, found = run
    assert found.keys() == READING.keys() | CHANGING.keys() | KERNEL.keys()


def test_nothing_got_out(run):
    box, result, _ = run
    assert SECRET.encode() not in result.out
    assert SECRET not in result.err
    assert SECRET.encode() not in (result.log / "audit.jsonl").read_bytes()
    for directory, _, files in os.walk(box.workspace):
        for name in files:
            path = Path(directory, name)
            if not path.is_symlink() and path.stat().st_nlink == 1 and SECRET in path.read_text(errors="replace"):
                assert (path.parent.name, path.name) in (
                    ("work", "server.pem"),
                    ("sub", ".env.production"),
                    (".aws", "credentials"),
                )


def test_the_host_is_as_it_was(run):
    box, _, _ = run
    work = box.workspace
    assert (work / ".env").read_text() == SECRET
    for hooks in (work / ".git").glob("hooks*"):
        assert all(name.endswith(".sample") for name in os.listdir(hooks)), os.listdir(hooks)
    config = (work / ".git" / "config").read_text()
    assert "/tmp" not in config and "fsmonitor" not in config and "!" not in config
    for name in (
        ".envrc",
        ".bashrc",
        ".vscode/tasks.json",
        ".github/workflows/ci.yml",
        "own-hard",
        "plain.txt",
        "copied",
    ):
        assert not (work / name).exists() or (work / name).read_text() == "", name
    assert not os.path.exists("/usr/planted")
    assert not (box.home / "tool").exists()
    for directory, directories, files in os.walk(work):
        for name in (*directories, *files):
            facts = os.lstat(os.path.join(directory, name))
            assert facts.st_uid == box.uid, name
            assert not facts.st_mode & 0o6000, name

"""What the machine and the measured programs are, for whoever reads the figures later."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.benchlib.peers import PEERS, version
from scripts.benchlib.worlds import base_python

ROOT = Path(__file__).resolve().parents[2]


def about_run(args: Namespace, words: Sequence[str]) -> dict[str, Any]:
    """Return when, where and with what a run begins; its load is a list that the end adds to."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": shlex.join(["scripts/bench", *words]),
        "rounds": args.rounds,
        "sizes": {"count": args.count, "starts": args.starts, "mib": args.mib},
        "profile": args.profile,
        "revision": _revision(),
        "host": _host(),
        "peers": {name: version(name) for name, peer in PEERS.items() if peer.find()},
        "load": [os.getloadavg()[0]],
    }


def _host() -> dict[str, Any]:
    said = subprocess.run([base_python(), "-IV"], capture_output=True, text=True, check=True).stdout
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "processor": _field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(pages / 2**30),
        "system": _system(),
        "python": said.split()[-1],
        "user": "root" if os.geteuid() == 0 else "an ordinary user",
    }


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""


def _field(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _revision() -> str:
    """Return the commit that is measured, with a `+` where files differ from it; empty outside of a repository."""
    git = ("git", "-C", str(ROOT))
    commit = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False)
    if commit.returncode:
        return ""
    kept = ("--", "gmcp_sandbox", "profiles", "model")
    changes = subprocess.run([*git, "status", "--porcelain", *kept], capture_output=True, text=True, check=False)
    return commit.stdout.strip() + ("+" if changes.stdout.strip() else "")

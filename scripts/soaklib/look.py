"""One look at a running session: what the kernel says its processes hold, and what the supervisor says of itself."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from gmcp_sandbox.client import Client
from scripts.soaklib.series import Helper, Sample


def look(status: IO[bytes], state: Path, seconds: float) -> Sample:
    """Return a sample of the session that has written its name to `status`.

    Raises:
        OSError, ValueError, LookupError, SandboxError: It is not there yet, or not any more.
    """
    status.seek(0)
    name = str(json.loads(status.readline())["session"])
    directory = state / "gmcp-sandbox" / "sessions" / name
    pid = int(json.loads((directory / "meta.json").read_bytes())["supervisor"]["pid"])
    facts = _facts(pid)
    with Client(str(directory)) as client:
        told = client.status()
    return Sample(
        seconds=seconds,
        rss_kib=int(facts["VmRSS"].split()[0]),
        descriptors=len(os.listdir(f"/proc/{pid}/fd")),
        threads=int(facts["Threads"]),
        nodes=int(told["nodes"]),
        flows=int(told["flows"]),
        calls=int(told["allowed"]) + int(told["denied"]) + int(told["unseen"]),
        log_bytes=sum(path.stat().st_size for path in directory.glob("audit*.jsonl")),
        watches=_watches(pid),
        mounts=len(Path(f"/proc/{pid}/mountinfo").read_bytes().splitlines()),
        helpers=_below(pid),
    )


def _facts(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _watches(pid: int) -> int:
    """Count inotify instances and what they watch."""
    found = 0
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with suppress(OSError):
            if os.readlink(f"/proc/{pid}/fd/{fd}") == "anon_inode:inotify":
                found += 1 + Path(f"/proc/{pid}/fdinfo/{fd}").read_text().count("inotify wd:")
    return found


def _below(pid: int) -> dict[int, Helper]:
    found: dict[int, Helper] = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with suppress(OSError):
            for child in map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split()):
                with suppress(OSError, KeyError):
                    facts = _facts(child)
                    held = len(os.listdir(f"/proc/{child}/fd"))
                    found[child] = Helper(facts["Name"].strip(), int(facts["VmRSS"].split()[0]), held)
                found |= _below(child)
    return found

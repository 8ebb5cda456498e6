"""What the gateway's worker can still do, tried in a real process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.plan import Stage
from gmcp_sandbox.proc.seclusion import LimitMemory, LoseCapabilities, seclusion

ROOT = Path(__file__).resolve().parents[2]
TRY = """
import json, os, socket, sys
sys.path.append({root!r})
from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.plan import Stage, execute
from gmcp_sandbox.proc.seclusion import seclusion
ours, theirs = socket.socketpair()
status = open("/proc/self/status")
steps = seclusion("secluded", Identity.of_caller(), ("lseek",), memory_bytes=1 << 30)
execute(steps, Stage(root=b"/"))
tries = {{
    "open": lambda: os.open("/etc/hostname", os.O_RDONLY),
    "socket": lambda: socket.socket(),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "fork": lambda: os.fork(),
    "kill": lambda: os.kill(os.getppid(), 0),
    "unshare": lambda: os.unshare(0x10000000) if hasattr(os, "unshare") else os.open("/", os.O_PATH),
}}
found = {{}}
for name, attempt in tries.items():
    try:
        attempt()
        found[name] = None
    except OSError as error:
        found[name] = error.errno
ours.send(b"x")
found["socketpair"] = theirs.recv(1).decode()
status.seek(0)
facts = dict(line.split(":", 1) for line in status.read().splitlines())
found["caps"] = facts["CapBnd"].strip() + facts["CapEff"].strip()
found["uid"] = facts["Uid"].split()[0]
try:
    bytes(2 << 30)
    found["memory"] = "any"
except MemoryError:
    found["memory"] = "bounded"
print(json.dumps(found))
"""


@pytest.mark.needs("sandbox")
def test_the_worker_opens_starts_and_reaches_nothing():
    done = subprocess.run([sys.executable, "-c", TRY.format(root=str(ROOT))], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {name: found[name] for name in ("open", "socket", "exec", "fork", "kill", "unshare")} == dict.fromkeys(
        ("open", "socket", "exec", "fork", "kill", "unshare"), 1
    )
    assert found["socketpair"] == "x" and found["memory"] == "bounded"
    assert set(found["caps"]) == {"0"}
    if os.geteuid() == 0:
        assert found["uid"] == str(Identity.of_caller().base_uid)


def test_every_step_says_what_it_does():
    steps = seclusion("x", Identity.of_caller(), (), memory_bytes=1)
    assert all(step.describe() for step in steps)
    assert Stage(root=b"/").fds == {}
    assert LoseCapabilities(1, None).describe() and LimitMemory(5).describe() == "limit memory to 5 bytes"

"""Start the tests' internet (upstream.py), and run agents whose host is in it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.harness import ORDINARY_UID, SECONDS, Result, Sandbox
from tests.e2e.pages import make_pages
from tests.e2e.upstream import HOST_V4, HOST_V6, MANY, SILENT, UNREACHABLE
from tests.net.certificates import TestAuthority

HERE = Path(__file__).resolve().parent
__all__ = ["HOST_V4", "HOST_V6", "Internet", "Online", "calls", "events", "internet"]
WEB, WEB6, METADATA, PRIVATE = "203.0.113.7", "2001:db8::7", "169.254.169.254", "10.9.8.7"
ZONE = {
    "web.example.com": [[WEB, WEB6]],
    "other.example.com": [[WEB]],
    "names.example.com": [["203.0.113.53"]],
    "four.example.com": [[WEB]],
    "six.example.com": [[WEB6]],
    "many.example.com": [list(MANY)],
    "silent.example.com": [[SILENT]],
    "unreachable.example.com": [[UNREACHABLE]],
    "rebinding-root.example.com": [[WEB], ["127.0.0.1"]],
    "rebinding-user.example.com": [[WEB], ["127.0.0.1"]],
    "rebinding-metadata.example.com": [[METADATA]],
    "rebinding-host.example.com": [[HOST_V4]],
    "rebinding-private.example.com": [[PRIVATE]],
    "rebinding-mixed.example.com": [["127.0.0.1", METADATA, HOST_V4, WEB]],
}
GRANT = """\
hosts = ["*.example.com"]
addresses = ["203.0.113.0/24", "2001:db8::/32", "198.51.100.0/24", "192.0.2.0/24"]
"""


class Internet:
    """A running one."""

    def __init__(self, folder: Path, host: int, upstream: int) -> None:
        self.folder = folder
        self.outer = self._entering(host, "user")
        """Words that run a program on the host."""
        self.outer_root = self._entering(host, "root")
        """Words that run one there that may change it."""
        self.upstream = self._entering(upstream, "root")
        """Words that run one upstream."""

    def _entering(self, pid: int, who: str) -> list[str]:
        return [sys.executable, "-B", str(HERE / "in_internet.py"), str(pid), str(self.folder), who, "--"]

    @property
    def ca(self) -> Path:
        """The certificate of the authority that signed upstream's."""
        return self.folder / "ca.pem"

    def seen(self, where: str | None = None) -> list[dict[str, Any]]:
        """Return who was reached by what since `forget`."""
        lines = [json.loads(line) for line in (self.folder / "seen.jsonl").read_text().splitlines()]
        return [line for line in lines if where in (None, line["where"])]

    def forget(self) -> None:
        """Begin anew."""
        os.truncate(self.folder / "seen.jsonl", 0)


@contextmanager
def internet() -> Iterator[Internet]:
    """Make one; all of it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="gmcp-internet-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        _furnish(folder)
        process = subprocess.Popen(
            [sys.executable, "-B", str(HERE / "upstream.py"), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            assert process.stdin is not None and process.stdout is not None
            yield Internet(folder, int(process.stdout.readline()), process.pid)
        finally:
            process.stdin.close()
            process.wait(10)
            process.stdout.close()


def _furnish(folder: Path) -> None:
    (folder / "resolv.conf").write_text("nameserver 203.0.113.53\noptions timeout:1 attempts:2\n")
    (folder / "hosts").write_text("127.0.0.1 localhost\n")
    (folder / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    (folder / "passwd").write_text(_users())
    (folder / "zone.json").write_text(json.dumps(ZONE))
    authority = TestAuthority()
    (folder / "ca.pem").write_bytes(authority.pem)
    authority.server(folder, "web.example.com", "other.example.com", "six.example.com", WEB)
    (folder / "web.example.com.pem").rename(folder / "server.pem")
    _make_repository(folder / "www" / "git" / "project.git")
    _make_index(folder / "www" / "simple" / "tinypackage")
    make_pages(folder / "www")


def _users() -> str:
    """Return the machine's users, the tests' own among them: ssh(1) runs for nobody whom it cannot name."""
    users = Path("/etc/passwd").read_text()
    if any(line.split(":")[2:3] == [str(ORDINARY_UID)] for line in users.splitlines()):
        return users
    return f"{users}ada:x:{ORDINARY_UID}:{ORDINARY_UID}::/home/ada:/bin/sh\n"


def _make_repository(path: Path) -> None:
    path.mkdir(parents=True)
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    for words in (
        ("init", "-q", "-b", "main"),
        (*identity, "commit", "-q", "--allow-empty", "-m", "first"),
        ("config", "http.receivepack", "false"),
    ):
        subprocess.run(["git", *words], cwd=path, check=True)


def _make_index(path: Path) -> None:
    """Make the directory of a simple package index (PEP 503) with one wheel in it."""
    path.mkdir(parents=True)
    info = "tinypackage-1.0.dist-info"
    files = {
        "tinypackage.py": "GREETING = 'installed'\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tinypackage\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_urlsafe(text)},{len(text)}\n" for name, text in files.items())
    with zipfile.ZipFile(path / "tinypackage-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            wheel.writestr(name, text)


def _urlsafe(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


class Online:
    """A user whose machine is on the tests' internet."""

    def __init__(self, sandbox: Sandbox, net: Internet) -> None:
        self.sandbox = sandbox
        self.net = net
        net.forget()

    def profile(self, *, grant: str = "", more: str = "") -> str:
        """Return a profile that grants `*.example.com`; `grant` adds to that, `more` to `[net]`."""
        head = 'name = "mine"\nextends = "default"\n'
        return self.sandbox.profile(f"{head}[net]\nconnect_seconds = 1\n{more}\n[[net.allow]]\n{GRANT}{grant}")

    def exec(self, *command: str, profile: str | None = None, **how: Any) -> Result:
        """Run a command inside, to its end."""
        return self.sandbox.exec(*command, profile=profile or self.profile(), outer=self.net.outer, **how)

    def start(self, *command: str, profile: str | None = None, options: Sequence[str] = (), **how: Any) -> Any:
        """Start a command inside."""
        words = ("-p", profile or self.profile(), *options, "--", *command)
        return self.sandbox.start(*words, outer=self.net.outer, **how)

    def host(self, *command: str) -> str:
        """Run a program on the host, as root, and return what it prints."""
        done = subprocess.run([*self.net.outer_root, *command], capture_output=True, text=True, timeout=SECONDS)
        return done.stdout + done.stderr

    def script(self, text: str, *words: str, profile: str | None = None, **how: Any) -> Any:
        """Run a Python program inside that prints JSON; return that and the result."""
        self.sandbox.write("script.py", text)
        result = self.exec("python3", "script.py", *words, profile=profile, **how)
        assert result.code == 0, (result.out[-2000:], result.err[-4000:])
        return json.loads(result.out), result


def calls(result: Result, tool: str, outcome: str | None = None) -> list[dict[str, Any]]:
    """Return the records of calls of one tool."""
    found = [record for record in result.records if record.get("tool") == tool]
    return [record for record in found if outcome in (None, record["outcome"])]


def events(result: Result, name: str) -> list[dict[str, Any]]:
    """Return what a session's events of a name say."""
    return [record["data"] for record in result.records if record.get("name") == name]

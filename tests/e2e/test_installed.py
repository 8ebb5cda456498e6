"""What is shipped works where nothing else is: a wheel, built from the sdist, in a fresh virtual environment.

Nothing is fetched. The environment borrows the dependencies of the one that the tests run in, but not the checkout.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from gmcp_sandbox import __version__
from gmcp_sandbox.cli.help import TOPICS
from tests.e2e.harness import ROOT, Result, Sandbox

SECONDS = 60


def build(source: Path, kind: str, out: Path) -> Path:
    """Build a distribution of a source tree with the builder that pyproject.toml names; return its file."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(out)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=SECONDS)
    (made,) = (path for path in out.iterdir() if path.suffix == (".whl" if kind == "wheel" else ".gz"))
    return made


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory) -> Path:
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    return build(unpacked / sdist.name.removesuffix(".tar.gz"), "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(shared_sandbox: Sandbox, wheel: Path) -> str:
    """Return the command of a fresh environment."""
    place = shared_sandbox.base / "venv"
    venv.create(place, symlinks=True)
    python = place / "bin/python"
    install = ["-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--no-compile", "--quiet"]
    subprocess.run([sys.executable, *install, str(wheel)], check=True, capture_output=True, timeout=SECONDS)
    (site,) = place.glob("lib/python3*/site-packages")
    borrowed = dict.fromkeys(sysconfig.get_paths()[name] for name in ("purelib", "platlib"))
    (site / "borrowed.pth").write_text("\n".join(borrowed))
    return str(place / "bin/gmcp-sandbox")


@pytest.fixture
def run(installed: str, shared_sandbox: Sandbox):
    def command(*words: str) -> Result:
        return shared_sandbox.native(installed, *words)

    return command


def test_the_wheel_holds_what_the_program_reads(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = [path for folder in ("profiles", "model") for path in (ROOT / folder).iterdir() if path.is_file()]
    assert shipped
    assert {f"gmcp_sandbox/_data/{path.parent.name}/{path.name}" for path in shipped} <= names
    assert {f"gmcp_sandbox/topics/{topic}.txt" for topic in TOPICS} <= names
    assert not [name for name in names if name.startswith(("tests/", "scripts/"))]


def test_the_sdist_holds_the_tests_and_scripts(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "scripts/test", "tests/conftest.py", "model/probe.onnx"} <= names


def test_nothing_of_the_checkout_is_used(installed: str, shared_sandbox: Sandbox) -> None:
    python = str(Path(installed).with_name("python"))
    where = shared_sandbox.native(python, "-c", "import gmcp_sandbox; print(gmcp_sandbox.__file__)").text
    assert where.startswith(str(shared_sandbox.base / "venv"))


def test_it_says_who_it_is_and_what_there_is(run) -> None:
    assert run("--version").text == f"gmcp-sandbox {__version__}\n"
    assert {line.split()[0] for line in run("profile", "list").text.splitlines()} >= {"default", "strict", "online"}
    assert run("help", "start").text.startswith("The first five minutes")


def test_its_model_is_there_and_judges(run) -> None:
    assert "probe.onnx" in run("probe", "info").text
    asked = run("decide", "-p", "default", "proc.exec", "path=/usr/bin/rm", "argv=rm", "argv=-rf", "argv=/")
    assert asked.code == 1 and "probe" in asked.text


def test_its_schemas_and_decisions(run) -> None:
    assert '"fs.read"' in run("tools", "--schema").text
    assert run("decide", "-p", "default", "fs.read", "path=/etc/passwd").code == 0
    assert run("decide", "-p", "default", "fs.read", "path=/etc/shadow").code == 1


def test_it_runs_an_agent(run) -> None:
    result = run("exec", "--", "/bin/true")
    assert result.code == 0, result.err
    assert " allowed, 0 denied" in result.err
    assert run("audit", "verify").text.startswith("WHOLE")

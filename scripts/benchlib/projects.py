"""What people work on, made anew in an empty directory: C sources, an archive, a git repository, a package's tests."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

ARCHIVE = "many.tar.gz"
ARCHIVED_FILES = 3000
SUITE = "jsonschema"
"""A package that this one needs anyway, and that brings its own tests along when it is installed."""
LEFT_OUT = ("test_exceptions.py", "test_jsonschema_test_suite.py")
"""Of these tests: what needs further packages and data that are not installed."""
_HEADERS = ("errno", "fcntl", "signal", "stdio", "stdlib", "string", "sys/stat", "time", "unistd")


def c_sources(work: Path) -> None:
    """Make 25 C files and their Makefile."""
    headers = "".join(f"#include <{name}.h>\n" for name in _HEADERS)
    for number in range(24):
        body = "".join(f"int f{number}_{k}(int x) {{ return x * {k} + {number}; }}\n" for k in range(200))
        (work / f"part{number}.c").write_text(headers + body)
    (work / "main.c").write_text("int f0_0(int);\nint main(void) { return f0_0(0); }\n")
    (work / "Makefile").write_text(
        "objects := $(patsubst %.c,%.o,$(wildcard *.c))\n"
        "app: $(objects)\n\tgcc -o $@ $^\n%.o: %.c\n\tgcc -O1 -c -o $@ $<\n"
    )


def archive(work: Path) -> None:
    """Make an archive of many small files in 60 directories, without a file of its own for any of them."""
    with tarfile.open(work / ARCHIVE, "w:gz") as made:
        for number in range(ARCHIVED_FILES):
            content = f"content {number}\n".encode() * 8
            entry = tarfile.TarInfo(f"many/d{number % 60}/file{number}.txt")
            entry.size, entry.mtime = len(content), int(time.time())  # of 1970, tar would say a word about each
            made.addfile(entry, io.BytesIO(content))


def repository(work: Path, files: int, directories: int) -> None:
    """Make a git work tree with one commit, whose index knows all files."""
    for number in range(files):
        path = work / f"d{number % directories:02}" / f"file{number:04}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n" * 20)
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "files"), ("status", "--porcelain")):
        subprocess.run(["git", *identity, "-C", str(work), *words], check=True, capture_output=True)


def static_program(path: Path) -> None:
    """Make the smallest program: it ends, and needs no library."""
    source = "void _start(void) { __asm__ volatile (%s); }"
    calls = {"x86_64": '"syscall" :: "a"(60), "D"(0)', "aarch64": '"mov x8, 93; mov x0, 0; svc 0" :::"x0","x8"'}
    code = source % calls[os.uname().machine]
    words = ("gcc", "-static", "-nostdlib", "-O1", "-x", "c", "-", "-o", str(path))
    subprocess.run(words, input=code, text=True, check=True, capture_output=True)


def package_tests(work: Path, python: str) -> list[str]:
    """Make a checkout of a package beside a virtual environment with what its tests need; return their command.

    All of it lies in the workspace, as a developer has it. It runs once, so that bytecode is there.

    Raises:
        PackageNotFoundError: Something that it needs is not installed here.
        subprocess.CalledProcessError: The tests fail, outside of any sandbox.
    """
    needed = _closure(("pytest", SUITE))
    subprocess.run([python, "-I", "-m", "venv", "--without-pip", str(work / ".venv")], check=True, capture_output=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = work / ".venv" / "lib" / version / "site-packages"
    for each in needed:
        _copy(each, packages)
    shutil.move(packages / SUITE, work / SUITE)
    ignored = [f"--ignore={SUITE}/tests/{name}" for name in LEFT_OUT]
    words = [".venv/bin/python", "-m", "pytest", "-q", "-c", os.devnull, "--rootdir=.", f"{SUITE}/tests", *ignored]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run(words, cwd=work, env=clean, check=True, capture_output=True, text=True)
    return words


def _closure(names: Iterable[str]) -> list[Distribution]:
    """Return the packages and all that they need here, each once."""
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = distribution(name)
            waiting += _needs(found[name])
    return list(found.values())


def _needs(package: Distribution) -> Iterator[str]:
    from packaging.requirements import Requirement

    for text in package.requires or ():
        needed = Requirement(text)
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            yield needed.name


def _copy(package: Distribution, target: Path) -> None:
    """Copy the files of a package that lie among the installed ones; programs beside them are left out."""
    if package.files is None:
        raise PackageNotFoundError(package.name)
    for file in package.files:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(package.locate_file(file)), target / file)

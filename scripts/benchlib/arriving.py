"""`scripts/bench arrivals`: what it costs to read files and pages from the network for orders to a model.

By turns in two sessions of one product: one whose first page was harmless, so that all that follows is read, and one
whose first page gave orders, so that nothing is read any more. Needs root, for the namespaces of the tests' internet.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.benchlib.projects import archive, repository
from scripts.benchlib.worlds import base_python, environment
from tests.e2e.internet import Internet, internet

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGES = {"unread": "orders", "read": "harmless"}
PROFILE = """\
name = "bench"
extends = "default"
[[net.allow]]
hosts = ["web.example.com"]
ports = [80]
addresses = ["203.0.113.0/24", "2001:db8::/32"]
"""
SECONDS = 300
_FILES, _DIRECTORIES = 2000, 40
_LIBRARY = ("asyncio", "email", "http", "idlelib", "json", "logging", "multiprocessing", "unittest", "xml")
_TEXT = 32 << 20
_COMMAND = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from gmcp_sandbox.cli.main import main; sys.exit(main())"


def main(argv: Sequence[str]) -> int:
    """Measure and print. Ends with 0 also where an aim is missed: this is no test."""
    args = _parser().parse_args(argv)
    values: dict[str, dict[str, list[float]]] = {}
    asked: dict[str, int] = {}
    (ROOT / ".bench").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="arrivals-", dir=ROOT / ".bench") as name, internet() as net:
        folder = Path(name)
        folder.chmod(0o755)
        _furnish(folder, net)
        for number in range(args.rounds):
            for world in list(PAGES)[:: 1 if number % 2 else -1]:
                found = _run(net, folder, PAGES[world], (args.mib, args.count))
                asked[world] = _asked(folder / "state")
                for item, seconds in found.items():
                    values.setdefault(item, {}).setdefault(world, []).append(seconds)
    print("\n".join(table(values)))
    print(f"places that the gate was asked about, in the last session of each kind: {asked}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench arrivals", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each session has its turn (default: 3)")
    parser.add_argument("--mib", type=int, default=256, help="size of the download (default: 256)")
    parser.add_argument("--count", type=int, default=3000, help="requests (default: 3000)")
    return parser


def _furnish(folder: Path, net: Internet) -> None:
    work = folder / "work"
    work.mkdir()
    shutil.copy(HERE / "arrivalsclient.py", work)
    (folder / "bench.toml").write_text(PROFILE)
    archive(work)
    library = Path(sysconfig.get_path("stdlib"))
    with tarfile.open(work / "library.tar.gz", "w:gz") as made:
        for name in _LIBRARY:
            made.add(library / name, arcname=f"library/{name}", filter=_without_caches)
    _make_text(net.folder / "www" / "pages" / "library.txt", library)
    (folder / "large").mkdir()
    repository(folder / "large", _FILES, _DIRECTORIES)
    bare = net.folder / "www" / "git" / "large.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(folder / "large"), str(bare)], check=True)


def _without_caches(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member


def _make_text(path: Path, library: Path) -> None:
    """Write source text, over and over up to `_TEXT` bytes."""
    text = b"".join(file.read_bytes() for name in _LIBRARY for file in sorted((library / name).rglob("*.py")))
    path.write_bytes((text * (_TEXT // len(text) + 1))[:_TEXT])


def _run(net: Internet, folder: Path, page: str, sizes: tuple[int, int]) -> dict[str, float]:
    words = [sys.executable, "-c", _COMMAND, "exec", "-p", str(folder / "bench.toml"), "--name", "bench", "--"]
    client = [base_python(), "-I", str(folder / "work" / "arrivalsclient.py"), page, *map(str, sizes)]
    done = subprocess.run(
        [*net.outer, *words, *client],
        cwd=folder / "work",
        env=environment(folder / "state"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    if done.returncode:
        raise SystemExit(f"bench: arrivals failed: {done.stderr.strip()[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _asked(state: Path) -> int:
    """Return about how many places the gate was asked in the newest session."""
    newest = max((state / "gmcp-sandbox" / "sessions").iterdir(), key=lambda path: path.stat().st_mtime)
    with open(newest / "audit.jsonl", encoding="ascii") as log:
        return sum('"name":"incoming"' in line for line in log)


def table(values: dict[str, dict[str, list[float]]]) -> Iterator[str]:
    """Yield the report as lines."""
    yield f"{'':<26}{'unread s':>10}{'read s':>10}{'slower':>9}"
    for item, found in values.items():
        unread, read = (statistics.median(found[world]) for world in PAGES)
        yield f"{item:<26}{unread:>10.3f}{read:>10.3f}{(read / unread - 1) * 100:>+8.1f}%"

"""What `scripts/bench arrivals` times inside a session; runs alone, and prints one JSON object.

    arrivalsclient.py PAGE MIB COUNT

First it asks for PAGE, after which the session reads what comes in, or, where that gave orders, nothing any more.
"""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HOST = "web.example.com"


def _requests(paths: list[str]) -> None:
    connection = http.client.HTTPConnection(HOST)
    for path in paths:
        connection.request("GET", path)
        answer = connection.getresponse()
        while answer.read(1 << 20):
            pass
    connection.close()


def _program(*words: str) -> Callable[[], object]:
    return lambda: subprocess.run(words, check=True)


def main(page: str, mib: int, count: int) -> None:
    """Time everything once."""
    here = Path("here")
    items: dict[str, Callable[[], object]] = {
        "git clone": _program("git", "clone", "-q", f"http://{HOST}/git/large.git", "here/copy"),
        "unpack small files": _program("tar", "xzf", "many.tar.gz", "-C", "here"),
        "unpack Python's library": _program("tar", "xzf", "library.tar.gz", "-C", "here"),
        "download": lambda: _requests([f"/bytes/{mib << 20}"]),
        "download text": lambda: _requests(["/pages/library.txt"]),
        "requests": lambda: _requests(["/hello"] * count),
    }
    _requests([f"/pages/{page}.html"])
    found = {}
    for name, run in items.items():
        here.mkdir()
        begun = time.perf_counter()
        run()
        found[name] = time.perf_counter() - begun
        shutil.rmtree(here)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

"""Times and sizes as people write them on a command line."""

from __future__ import annotations

import argparse
import datetime
import re
import time

_AGO = re.compile(r"(\d{1,6})\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZE = re.compile(r"(\d{1,15})\s*(KiB|MiB|GiB|TiB|B)?")
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


def moment(text: str) -> int:
    """Return a moment in nanoseconds since the epoch: `2h` (ago), or a date with or without a time (local).

    Raises:
        argparse.ArgumentTypeError: It is neither.
    """
    if ago := _AGO.fullmatch(text.strip()):
        return time.time_ns() - int(ago[1]) * _SECONDS[ago[2]] * 1_000_000_000
    try:
        return int(datetime.datetime.fromisoformat(text.strip()).timestamp() * 1_000_000_000)
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 30m, 2h, 7d or 2026-01-31T12:00") from None


def size(text: str) -> int:
    """Return a number of bytes from text such as `512MiB`.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write bytes, or 512MiB, or 4GiB")
    return int(found[1]) * _UNITS[found[2] or "B"]


def count(text: str) -> int:
    """Return a number of at least 1.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a number of at least 1")
    return int(text)

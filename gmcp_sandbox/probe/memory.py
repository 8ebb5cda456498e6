"""Answers that were given before, in memory and on disk, for one model.

The file lies in the state directory, which no agent's view shows: `probe/<digest>.answers`, 32 bytes of the model's
digest, then records of 24 bytes: the first 16 of the line's Blake3, margin, category, and a check over them that is
keyed by the model's digest.

Guarantees:
- An answer is used only for the model that gave it: another digest is another file, and a file that says another digest
  than its name is damaged.
- A file that is damaged anywhere that is looked at is discarded whole, with a message; so is one of another user.
- At most `LIMIT` answers; one more starts the file anew. A full disk costs the memory on disk and nothing else.

Leaves to others: prompts never come here, only their digests.
"""

from __future__ import annotations

import os
import stat
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from blake3 import blake3

from gmcp_sandbox.probe.manifest import CATEGORIES
from gmcp_sandbox.probe.model import Answer

LIMIT = 50_000
_KEY = 16
_HEAD = struct.Struct("<8s32s")
_RECORD = struct.Struct("<16sfB3s")
_MAGIC = b"gmcp-pa1"
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_CREAT


def key_of(line: str) -> bytes:
    """Return the digest by which a line is remembered."""
    return blake3(line.encode("utf-8", "surrogatepass")).digest(length=_KEY)


class Memory:
    """Remembered answers of one model. Safe to use from several threads."""

    def __init__(self, model_digest: str, directory: Path | None, warn: Callable[[str], None]) -> None:
        """Take what an earlier session left. None as the directory: in memory only."""
        self._model = bytes.fromhex(model_digest)
        self._warn = warn
        self._lock = threading.Lock()
        self._known: dict[bytes, Answer] = {}
        self._stored: dict[bytes, tuple[float, int, bytes]] = {}
        self._fd = -1
        self._path = None if directory is None else directory / f"{model_digest[:32]}.answers"
        if self._path is not None:
            self._open(self._path)

    def __len__(self) -> int:
        return len(self._known) + len(self._stored)

    def get(self, line: str) -> Answer | None:
        """Return the answer to a line, when it is known."""
        key = key_of(line)
        answer = self._known.get(key)
        return answer if answer is not None or key not in self._stored else self._take(key)

    def put(self, answers: dict[str, Answer]) -> None:
        """Remember answers."""
        records = []
        with self._lock:
            if len(self) + len(answers) > LIMIT:
                self._start_anew("")
            for line, answer in answers.items():
                key = key_of(line)
                self._known[key] = answer
                records.append(self._record(key, answer))
            self._write(b"".join(records))

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    # --------------------------------------------------------------------------------------------------------- disk

    def _take(self, key: bytes) -> Answer | None:
        """Return a stored answer when its check holds; else the file is damaged."""
        with self._lock:
            margin, category, check = self._stored.pop(key, (0.0, 0, b""))
            if not check:
                return self._known.get(key)
            if check != self._check(key, margin, category) or category >= len(CATEGORIES):
                self._start_anew("a remembered answer does not fit its check")
                return None
            answer = self._known[key] = Answer(margin, category)
            return answer

    def _open(self, path: Path) -> None:
        try:
            path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # as the first session would make it
            path.parent.mkdir(mode=0o700, exist_ok=True)
            fd = os.open(path, _FLAGS, 0o600)
        except OSError as error:
            self._warn(f"answers of the probe are not kept: {path}: {error.strerror}")
            return
        facts = os.fstat(fd)
        if facts.st_uid != os.geteuid() or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            os.close(fd)
            self._warn(f"answers of the probe are not kept: {path} can be written by others")
            return
        self._fd = fd
        if facts.st_size == 0:
            self._write(_HEAD.pack(_MAGIC, self._model))
        else:
            self._read(facts.st_size)

    def _read(self, size: int) -> None:
        largest = _HEAD.size + LIMIT * _RECORD.size
        data = os.pread(self._fd, largest + 1, 0)
        if size > largest or len(data) < _HEAD.size or (len(data) - _HEAD.size) % _RECORD.size:
            self._start_anew("its length is wrong")
        elif data[: _HEAD.size] != _HEAD.pack(_MAGIC, self._model):
            self._start_anew("it is of another model or format")
        else:
            records = _RECORD.iter_unpack(data[_HEAD.size :])
            self._stored = {key: (margin, category, check) for key, margin, category, check in records}

    def _record(self, key: bytes, answer: Answer) -> bytes:
        # The check is over the margin as the file keeps it, in single precision.
        margin = struct.unpack("<f", struct.pack("<f", answer.margin))[0]
        return _RECORD.pack(key, margin, answer.category, self._check(key, margin, answer.category))

    def _check(self, key: bytes, margin: float, category: int) -> bytes:
        return blake3(_RECORD.pack(key, margin, category, b""), key=self._model).digest(length=3)

    def _start_anew(self, why: str) -> None:
        """Forget what is on disk; `why` says what is wrong with it."""
        self._stored.clear()
        self._known.clear()
        if why and self._path is not None:
            self._warn(f"remembered answers of the probe are discarded: {self._path}: {why}")
        if self._fd < 0:
            return
        try:
            os.ftruncate(self._fd, 0)
        except OSError:
            self._drop()
            return
        self._write(_HEAD.pack(_MAGIC, self._model))

    def _write(self, data: bytes) -> None:
        if self._fd < 0 or not data:
            return
        try:
            written = os.write(self._fd, data)
        except OSError:
            written = -1
        if written != len(data):
            self._warn(f"answers of the probe are not kept any more: {self._path} cannot be written")
            self._drop()

    def _drop(self) -> None:
        os.close(self._fd)
        self._fd = -1

"""Digests of programs; the questions themselves are asked in tests/e2e/test_exec.py, by the kernel."""

from __future__ import annotations

import os

from blake3 import blake3

from gmcp_sandbox.fs.programs import DIGEST_BYTES, digest_of


def test_a_digest_is_that_of_all_bytes(tmp_path):
    for data in (b"", b"x", b"y" * 3_000_001):
        file = tmp_path / "file"
        file.write_bytes(data)
        fd = os.open(file, os.O_RDONLY)
        assert digest_of(fd) == blake3(data).hexdigest(length=DIGEST_BYTES)
        os.close(fd)

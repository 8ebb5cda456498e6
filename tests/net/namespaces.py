"""Do something in a child with namespaces of its own."""

from __future__ import annotations

import json
import os
import traceback
import warnings
from pathlib import Path

from gmcp_sandbox import kernel


def in_new_namespace(action):
    """Return what `action` returns (as JSON can say it), called in new user and network namespaces as their root."""
    reader, writer = os.pipe()
    uid, gid = os.geteuid(), os.getegid()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of earlier tests do not matter to the child
        pid = os.fork()
    if pid == 0:
        try:
            kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNET)
            for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
                Path(f"/proc/self/{name}").write_text(text)
            os.write(writer, json.dumps(action()).encode())
        except BaseException:  # noqa: BLE001 - said, in a process that ends here
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        said = file.read()
    os.waitpid(pid, 0)
    assert said, "the child failed; see stderr"
    return json.loads(said)

"""Run a piece of a test in a process of its own, where it may give up rights, namespaces and descriptors."""

from __future__ import annotations

import json
import os
import traceback
import warnings
from collections.abc import Callable
from typing import Any

from gmcp_sandbox import kernel


def fork() -> int:
    """Fork; other threads of the test run are no matter to children that end with _exit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def in_child(action: Callable[[], Any]) -> Any:
    """Return what the action returned in a child, through JSON; an exception there is an AssertionError here."""
    reader, writer = os.pipe()
    pid = fork()
    if pid == 0:
        os.close(reader)
        try:
            report = {"returned": action()}
        except BaseException:  # noqa: BLE001 - all of it goes to the parent
            report = {"raised": traceback.format_exc()}
        finally:
            os.write(writer, json.dumps(report).encode())
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        text = file.read()
    _, status = os.waitpid(pid, 0)
    if not text:
        raise AssertionError(f"the child ended with {os.waitstatus_to_exitcode(status)}")
    report = json.loads(text)
    if "raised" in report:
        raise AssertionError(report["raised"])
    return report["returned"]


def own_namespaces(flags: int = 0) -> None:
    """In a child: become root of a new user namespace that maps the caller alone, with more new namespaces."""
    maps = [(name, f"0 {number} 1") for name, number in (("uid_map", os.geteuid()), ("gid_map", os.getegid()))]
    kernel.unshare(kernel.CLONE_NEWUSER | flags)
    for name, text in (("setgroups", "deny"), *maps):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)

"""Labels: what an object is, ordered by how much it must be guarded.

A label is a name with a rank. An object that several rules or names describe carries the label of the
highest rank, and nothing that an agent does may lower it (rename, link, copy under taint).
"""

from __future__ import annotations

import msgspec


class Label(msgspec.Struct, frozen=True, order=False, gc=False):
    """One class of objects.

    Attributes:
        name: Lower-case word, as profiles, rules and records spell it.
        rank: Guardedness; the higher of two ranks wins when an object has two labels.
    """

    name: str
    rank: int


SCRATCH = Label("scratch", 0)
"""Private to the session, gone with it."""
WORKSPACE = Label("workspace", 10)
"""The directory that the agent works in."""
SYSTEM = Label("system", 20)
"""Programs, libraries and configuration of the host, shared by all."""
PRIVATE = Label("private", 30)
"""The user's own files outside of the workspace."""
WATCHED = Label("watched", 40)
"""Files that run on the host later: git hooks, CI and editor configuration, shell start-up files."""
SECRET = Label("secret", 50)
"""Credentials."""
OUTSIDE = Label("outside", 60)
"""A path that the view does not show. It looks as if it did not exist."""
NETWORK = Label("network", 5)
"""Hosts and names."""
TOOL = Label("tool", 5)
"""MCP tools, resources and prompts."""

BUILTIN: dict[str, Label] = {
    label.name: label for label in (SCRATCH, WORKSPACE, SYSTEM, PRIVATE, WATCHED, SECRET, OUTSIDE, NETWORK, TOOL)
}


UNTRUSTED_INSTRUCTIONS = "untrusted-instructions"
"""Taint, and no label: the session has taken in a text that gives orders to its reader."""
TAINTS = (*BUILTIN, UNTRUSTED_INSTRUCTIONS)
"""What a session can be tainted by, beside MCP servers."""
_SERVER = "mcp:"


def server_taint(server: str) -> str:
    """Return the taint of a session that has taken in what an MCP server sent."""
    return _SERVER + server


def server_label(server: str) -> Label:
    """Return the label that results of an MCP server bring along."""
    return Label(server_taint(server), PRIVATE.rank)


def is_taint(name: str) -> bool:
    """True for what a session can be tainted by."""
    return name in TAINTS or (name.startswith(_SERVER) and name != _SERVER)


def highest(first: Label, *others: Label) -> Label:
    """Return the label of the highest rank; of equals, the first."""
    top = first
    for label in others:
        if label.rank > top.rank:
            top = label
    return top

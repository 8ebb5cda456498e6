"""Which tools of a list may be used: those that are pinned as they are, and on first use those that nothing is against.

Pure: the file of pins goes in, a verdict for every tool and the next file come out.

Guarantees: a definition that differs in anything from its pin is stopped; so is a tool that a known server did not have
before, one that inspection has something against, one with a name that another server's tool has or could be taken for,
and every one that a profile wants approved. What a person approved stays approved until it changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gmcp_sandbox.calls.canonical import parse_object
from gmcp_sandbox.mcp.pins import INSTRUCTIONS, MOST_TOOLS, Pin, PinFile, Waiting
from gmcp_sandbox.pipeline.concealment import unveil
from gmcp_sandbox.pipeline.descriptions import checked_schema
from gmcp_sandbox.policy.toolbook import KnownTool

CHANGED = "changed since it was approved"
NEW = "new on a server that is known"
UNAPPROVED = "not approved yet"
_SEPARATORS = re.compile(r"[\W_]+")
_DIGITS = str.maketrans("015|!", "olsll")


class Listed(msgspec.Struct, frozen=True):
    """One tool as a server lists it.

    Attributes:
        name: Of the tool.
        definition: Canonical JSON of all that is said of it.
        digest: Of the definition.
        findings: What inspection has against it.
    """

    name: str
    definition: str
    digest: str
    findings: tuple[str, ...] = ()


class Reviewed(msgspec.Struct, frozen=True):
    """What follows for one tool.

    Attributes:
        stopped: Why it may not be used; empty when it may.
        is_first: It was pinned right now.
    """

    listed: Listed
    stopped: tuple[str, ...] = ()
    is_first: bool = False
    accepted: tuple[str, ...] = ()


def is_pinned(file: PinFile, name: str, digest: str) -> bool:
    """Return whether a definition is the pinned one."""
    pin = file.pins.get(name)
    return pin is not None and pin.digest == digest


def review(
    file: PinFile, listed: Sequence[Listed], *, first_use: bool, others: Mapping[str, Iterable[str]], at_ns: int
) -> tuple[PinFile, tuple[Reviewed, ...]]:
    """Return the next file, and what follows for each tool.

    Args:
        first_use: Whether a tool of a server that was never listed may be pinned without a person.
        others: Names of tools that other servers have approved, by server.
    """
    skeletons = {skeleton(name): (name, server) for server, names in others.items() for name in names}
    pins, waiting = dict(file.pins), dict(file.waiting)
    found = []
    for one in listed:
        reviewed = _review_one(file, one, first_use=first_use, skeletons=skeletons)
        if len(pins.keys() | waiting.keys() | {one.name}) > MOST_TOOLS:
            reviewed = Reviewed(one, (f"more than {MOST_TOOLS} tools",))
        elif reviewed.stopped:
            waiting[one.name] = Waiting(one.digest, one.definition, at_ns, reviewed.stopped)
        else:
            waiting.pop(one.name, None)
        if reviewed.is_first:
            pins[one.name] = Pin(one.digest, one.definition, at_ns, "first-use")
        found.append(reviewed)
    kept = {name: _same(file.waiting.get(name), each) for name, each in waiting.items()}
    return msgspec.structs.replace(file, pins=pins, waiting=kept), tuple(found)


def _review_one(file: PinFile, one: Listed, *, first_use: bool, skeletons: Mapping[str, tuple[str, str]]) -> Reviewed:
    pin = file.pins.get(one.name)
    if pin is not None and pin.digest == one.digest:
        return Reviewed(one, accepted=pin.accepted)
    reasons = list(one.findings)
    shadowed = None if one.name == INSTRUCTIONS else skeletons.get(skeleton(one.name))
    if shadowed is not None:
        name, server = shadowed
        same = "has the name of a tool" if name == one.name else f"looks like {name!r}, a tool"
        reasons.append(f"{same} of {server}")
    if pin is not None:
        reasons.insert(0, CHANGED)
    elif file.is_seen and one.name not in file.waiting:
        reasons.insert(0, NEW)
    elif one.name in file.waiting and not reasons:
        reasons.extend(file.waiting[one.name].reasons)
    elif not first_use and not reasons:
        reasons.append(UNAPPROVED)
    return Reviewed(one, tuple(dict.fromkeys(reasons)), is_first=not reasons)


def pinned_tools(file: PinFile) -> dict[str, KnownTool]:
    """Return what the layers would know of a server that lists exactly what is pinned or waits."""
    found = {name: KnownTool(None, waiting.reasons) for name, waiting in file.waiting.items()}
    for name, pin in file.pins.items():
        if name not in file.waiting and name != INSTRUCTIONS:
            found[name] = known_tool(parse_object(pin.definition), (), pin.accepted)
    return found


def known_tool(tool: Mapping[str, Any], stopped: tuple[str, ...], accepted: tuple[str, ...]) -> KnownTool:
    """Return what the layers know of a tool: a person who accepted its schema accepted what cannot be checked of it."""
    accepts_patterns = any(reason.startswith("its schema") for reason in accepted)
    check, against = checked_schema(tool.get("inputSchema"), leave_out_patterns=accepts_patterns)
    return KnownTool(check, stopped or ((against,) if check is None else ()))


def _same(before: Waiting | None, now: Waiting) -> Waiting:
    """Return the older of two that say the same, so that a file does not change with every list."""
    if before is not None and (before.digest, before.reasons) == (now.digest, now.reasons):
        return before
    return now


def skeleton(name: str) -> str:
    """Return what names have in common that a reader could take for each other."""
    return _SEPARATORS.sub("", unveil(name).casefold()).translate(_DIGITS)

"""What this product runs from: code that no agent may change, because the next supervisor would run it.

Guarantees: places are absolute, without links, and exist. Nothing is read but names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

import msgspec

import gmcp_sandbox
from gmcp_sandbox.calls.labels import SYSTEM
from gmcp_sandbox.errors import UsageError
from gmcp_sandbox.monitor.links import real_path
from gmcp_sandbox.monitor.shipped import shipped_directory
from gmcp_sandbox.policy.profile import Caching, Mount, MountMode


class OwnPlaces(msgspec.Struct, frozen=True):
    """Where the supervisor's code lies.

    Attributes:
        code: Directories and files that modules, profiles and the interpreter are taken from.
        prefixes: Environments that hold them.
        searched: Where Python looks for modules.
    """

    code: tuple[str, ...]
    prefixes: tuple[str, ...]
    searched: tuple[str, ...]

    @classmethod
    def of_this_process(cls) -> OwnPlaces:
        """Return the places of the running program."""
        code = (
            os.path.dirname(os.path.abspath(gmcp_sandbox.__file__)),
            str(shipped_directory("profiles")),
            os.path.dirname(os.path.abspath(os.__file__)),
            os.path.dirname(os.path.dirname(os.path.abspath(msgspec.__file__))),
            os.path.join(sys.prefix, "bin"),
            os.path.join(sys.prefix, "pyvenv.cfg"),
        )
        searched = (entry for entry in sys.path if entry.startswith("/"))
        return cls(_existing(code), _existing((sys.prefix, sys.base_prefix)), _existing(searched))

    def read_only_in(self, tree: Mount) -> list[Mount]:
        """Return the mounts that keep this product's code in a writable tree as it is.

        Raises:
            UsageError: The tree lies in our code, or Python looks for modules in what the agent may write.
        """
        if tree.mode is not MountMode.RW or tree.source is None:
            return []
        top = tree.source
        for place in self.code:
            if top == place or top.startswith(place + "/"):
                raise UsageError(f"{top} cannot be written by an agent: gmcp-sandbox runs from {place}")
        inside = [place for place in (*self.prefixes, *self.code) if place.startswith(top + "/")]
        kept = [place for place in inside if not any(place.startswith(other + "/") for other in inside)]
        for entry in self.searched:
            is_inside = entry == top or entry.startswith(top + "/")
            if is_inside and not any(entry == place or entry.startswith(place + "/") for place in kept):
                raise UsageError(
                    f"{entry} cannot be written by an agent: gmcp-sandbox looks for its modules there",
                    hint="unset PYTHONPATH",
                )
        return [_read_only(tree, place) for place in dict.fromkeys(kept)]


def _read_only(tree: Mount, place: str) -> Mount:
    path = tree.path + place[len(tree.source or "") :]
    return msgspec.structs.replace(
        tree, path=path, source=place, mode=MountMode.RO, label=SYSTEM, caching=Caching.WORKSPACE
    )


def _existing(places: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(real_path(place) for place in places if os.path.exists(place)))

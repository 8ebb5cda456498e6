"""Turn the tables of one profile file into policy values.

Guarantees: paths come out absolute, normal and without variables; globs, hosts, labels and sizes have a meaning. Every
refusal is a `ProfileError` that names the file, key and line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from gmcp_sandbox.calls.labels import BUILTIN, NETWORK, OUTSIDE, SYSTEM, TAINTS, TOOL, Label, is_taint
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.policy.document import MountTable, PathTable, SymlinkTable
from gmcp_sandbox.policy.fields import Key, Source, suggest
from gmcp_sandbox.policy.match import GlobError, check_globs, compile_hosts
from gmcp_sandbox.policy.profile import Caching, Mount, MountMode, PathRule
from gmcp_sandbox.policy.sets import Sets, listed

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_SIZE = re.compile(r"(\d+)\s*(KiB|MiB|GiB|TiB|B)?")
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_OF_NO_PATH = (OUTSIDE, NETWORK, TOOL)


class Builder:
    """What one file says, with the variables of this run put in."""

    def __init__(self, source: Source, variables: Mapping[str, str], sets: Sets | None = None) -> None:
        self.source = source
        self._variables = variables
        self._sets: Sets = {} if sets is None else sets

    def fault(self, what: str, key: Key, *, hint: str = "") -> ProfileError:
        """Return the error for a key of this file."""
        return self.source.fault(what, key, hint=hint)

    def expand(self, text: str, key: Key, *, quote: Callable[[str], str] = str) -> str:
        """Put the variables in; `quote` makes their values safe for where they stand."""

        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name not in self._variables:
                raise self.fault(f"unknown variable ${{{name}}}", key, hint=suggest(name, self._variables))
            return quote(self._variables[name])

        return _VARIABLE.sub(value, text)

    def path(self, text: str, key: Key) -> str:
        """Return an absolute normal path."""
        path = self.expand(text, key)
        if not path.startswith("/"):
            raise self.fault(f"{text!r} is no absolute path", key, hint="start it with / or ${workspace}")
        if path != "/":
            path = path.removesuffix("/")
        if path != "/" and any(part in ("", ".", "..") for part in path[1:].split("/")):
            raise self.fault(f"{text!r} has an empty, `.` or `..` component", key)
        if "\0" in path:
            raise self.fault("a path cannot hold NUL", key)
        return path

    def globs(self, patterns: Sequence[str], key: Key) -> tuple[str, ...]:
        """Return globs over paths, expanded and checked."""
        self.refuse_duplicates(patterns, key)
        whole = listed(self.source, self._sets, patterns, key)
        found = tuple(dict.fromkeys(self.expand(pattern, key, quote=glob_quoted) for pattern in whole))
        self._compile(check_globs, found, key)
        return found

    def objects(self, tools: Sequence[Tool], patterns: Sequence[str] | None, key: Key) -> tuple[str, ...] | None:
        """Return what a capability's `objects` mean for its tools: globs of paths, hosts or `server/tool`."""
        if patterns is None:
            return None
        families = {family_of(tool) for tool in tools}
        if len(families) > 1:
            raise self.fault("objects of one kind only: split paths, hosts and MCP tools", key)
        if families == {"mcp"}:
            self.refuse_duplicates(patterns, key)
            return tuple(patterns)
        if families != {"host"}:
            return self.globs(patterns, key)
        return self.hosts(patterns, key)

    def hosts(self, patterns: Sequence[str], key: Key) -> tuple[str, ...]:
        """Return host patterns, checked."""
        self.refuse_duplicates(patterns, key)
        whole = listed(self.source, self._sets, patterns, key)
        self._compile(compile_hosts, whole, key)
        return whole

    def _compile(self, compile_them: Callable[[Iterable[str]], object], patterns: Sequence[str], key: Key) -> None:
        try:
            compile_them(patterns)
        except GlobError as error:
            raise self.fault(str(error), key) from None

    def label(self, name: str, key: Key) -> Label:
        """Return a label by name."""
        found = BUILTIN.get(name)
        if found is None:
            raise self.fault(f"unknown label {name!r}", key, hint=suggest(name, BUILTIN))
        return found

    def labels(self, names: Sequence[str] | None, key: Key) -> tuple[str, ...] | None:
        """Return names of labels, checked."""
        if names is None:
            return None
        self.refuse_duplicates(names, key)
        return tuple(self.label(name, key).name for name in names)

    def taints(self, names: Sequence[str] | None, key: Key) -> tuple[str, ...] | None:
        """Return names of taints, checked."""
        for name in names or ():
            if not is_taint(name):
                raise self.fault(f"unknown taint {name!r}", key, hint=suggest(name, TAINTS))
        self.refuse_duplicates(names or (), key)
        return None if names is None else tuple(names)

    def size(self, value: int | str | None, key: Key) -> int | None:
        """Return a number of bytes."""
        if value is None:
            return None
        if isinstance(value, int) and value >= 0:
            return value
        found = _SIZE.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise self.fault(f"{value!r} is no size", key, hint='write bytes or text such as "512MiB"')
        return int(found[1]) * _UNITS[found[2] or "B"]

    def refuse_duplicates(self, values: Iterable[object], key: Key) -> None:
        """Refuse a list that says something twice."""
        seen: set[object] = set()
        for value in values:
            if value in seen:
                raise self.fault(f"{value!s} stands twice", key)
            seen.add(value)

    def mounts(self, tables: Sequence[MountTable]) -> tuple[Mount, ...]:
        """Return the mounts of this file."""
        found = tuple(self._mount(table, ("mounts", index)) for index, table in enumerate(tables))
        self.refuse_duplicates((table.path for table in tables), ("mounts",))
        return found

    def _mount(self, table: MountTable, key: Key) -> Mount:
        path = self.path(table.path, (*key, "path"))
        if path == "/":
            raise self.fault("the root cannot be mounted; name the trees to show", (*key, "path"))
        self._check_mode(table, key)
        is_backed = table.mode in (MountMode.RO, MountMode.RW)
        label = OUTSIDE if table.label is None else self.label(table.label, (*key, "label"))
        if table.label is not None and label in _OF_NO_PATH:
            raise self.fault(f"{label.name!r} is no label of files", (*key, "label"))
        source = self.path(table.source or table.path, (*key, "source")) if is_backed else None
        caching = table.caching or (
            Caching.SYSTEM if table.mode is MountMode.RO and label is SYSTEM else Caching.WORKSPACE
        )
        return Mount(path, source, table.mode, label, executable=table.exec, optional=table.optional, caching=caching)

    def _check_mode(self, table: MountTable, key: Key) -> None:
        if table.mode is MountMode.HIDDEN and (table.exec or table.label is not None):
            raise self.fault("a hidden tree has no label and runs nothing", key)
        if table.mode is not MountMode.HIDDEN and table.label is None:
            raise self.fault("`label` is missing", key)
        if table.source is not None and table.mode in (MountMode.HIDDEN, MountMode.SCRATCH):
            raise self.fault(f"a {table.mode} tree has no source", (*key, "source"))
        if table.caching is Caching.SYSTEM and table.mode is not MountMode.RO:
            raise self.fault("only read-only trees may be cached as system", (*key, "caching"))

    def symlinks(self, tables: Sequence[SymlinkTable]) -> tuple[tuple[str, str], ...]:
        """Return the links of this file."""
        links = []
        for index, table in enumerate(tables):
            key: Key = ("symlinks", index)
            links.append((self.path(table.path, (*key, "path")), self.expand(table.target, (*key, "target"))))
        self.refuse_duplicates((path for path, _target in links), ("symlinks",))
        return tuple(links)

    def path_rules(self, tables: Sequence[PathTable]) -> tuple[PathRule, ...]:
        """Return the path rules of this file, one a glob."""
        rules: list[PathRule] = []
        for index, table in enumerate(tables):
            key: Key = ("paths", index)
            label = self.label(table.label, (*key, "label"))
            unless = self.globs(table.unless, (*key, "unless"))
            rules.extend(PathRule(pattern, label, unless) for pattern in self.globs(table.match, (*key, "match")))
        return tuple(rules)


def glob_quoted(text: str) -> str:
    """Return the glob that matches a text as it is."""
    return re.sub(r"([*?\[\\!])", r"\\\1", text)


def family_of(tool: Tool) -> str:
    """Return what kind of object a tool has: `path`, `host` or `mcp`."""
    if tool.startswith(("fs.", "proc.")):
        return "path"
    return "mcp" if tool.startswith("mcp.") else "host"

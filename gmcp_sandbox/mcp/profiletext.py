"""A client's server as entries of a profile, in TOML; credentials become references.

Guarantees: pure; no value that looks like a credential stands in the text, and none in what is said about it. The text
of what was taken over can be read back by `policy/parse.py`, or `profile check` says what is missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import msgspec

from gmcp_sandbox.mcp.clientfiles import Entry
from gmcp_sandbox.policy.credentialtext import looks_secret, reference_to

_SLUG = re.compile(r"[^a-z0-9_-]+")
_VARIABLE = re.compile(r"\$\{(?:(env|input):)?([A-Za-z_][A-Za-z0-9_-]*)(?::-([^}]*))?\}")
_OWN = {
    "workspaceFolder": "${workspace}",
    "workspaceRoot": "${workspace}",
    "PWD": "${workspace}",
    "userHome": "${home}",
    "HOME": "${home}",
    "USER": "${user}",
}
_SCHEME = re.compile(r"^((?:[Bb]earer|[Tt]oken|[Bb]asic)\s+)(.*)$", re.DOTALL)
_FETCHING = frozenset({"npx", "uvx", "bunx", "pipx", "pnpm", "yarn", "deno"})
_OUTSIDE = frozenset({"docker", "podman"})


class Taken(msgspec.Struct, frozen=True):
    """One server as it stands in a profile now.

    Attributes:
        credentials: (name, source, where its value stood) for the operator to provide.
    """

    name: str
    text: str
    credentials: tuple[tuple[str, str, str], ...]
    remarks: tuple[str, ...]


class _Writer:
    """Collects the credentials of one server."""

    def __init__(self, server: str) -> None:
        self._server = server
        self.sources: dict[str, tuple[str, str]] = {}

    def text(self, value: str, name: str, where: str) -> str:
        """Return a value with its variables turned into ours, and a credential into a reference."""
        rest = _VARIABLE.sub("", value)
        if looks_secret(name, rest) or "${" in rest:
            scheme = _SCHEME.match(value)
            return (scheme[1] if scheme else "") + self._kept(name, where)
        return _VARIABLE.sub(lambda found: self._variable(found, where), value)

    def _variable(self, found: re.Match[str], where: str) -> str:
        kind, name, default = found.groups()
        if kind is None and name in _OWN:
            return _OWN[name]
        if default is not None and not looks_secret(name, default):
            return default
        variable = name.replace("-", "_")
        if kind == "input":
            variable = f"{self._server}_{variable}".replace("-", "_").upper()
        return self._reference(name, f"env:{variable}", where)

    def _kept(self, name: str, where: str) -> str:
        variable = re.sub(r"\W+", "_", name).strip("_").upper() or "VALUE"
        if where != "env":
            variable = f"{self._server}_{variable}".replace("-", "_").upper()
        if variable[0].isdigit():
            variable = f"_{variable}"
        return self._reference(name, f"env:{variable}", where)

    def _reference(self, name: str, source: str, where: str) -> str:
        slug = slug_of(name) or "credential"
        while slug in self.sources and self.sources[slug][0] != source:
            slug += "-2"
        self.sources[slug] = (source, where)
        return reference_to(slug)


def take_over(entry: Entry, taken_names: Iterable[str] = ()) -> Taken:
    """Return what stands in a profile for one server of a client."""
    name = _free(slug_of(entry.name) or "server", set(taken_names))
    writer = _Writer(name)
    lines = [f"[mcp.servers.{name}]"]
    if entry.url is not None:
        lines.append(f"url = {quoted(writer.text(entry.url, '', 'url'))}")
    else:
        command, args = entry.command[0], _arguments(entry.command[1:], writer)
        lines.append(f"command = {quoted(writer.text(command, '', 'command'))}")
        lines += [f"args = {_listed(args)}"] if args else []
        lines += ['where = "host"'] if _base(command) in _OUTSIDE else []
    if entry.directory and entry.url is None and _base(entry.command[0]) not in _OUTSIDE:
        lines.append(f"workspace = {quoted(writer.text(entry.directory, '', 'cwd'))}")
    lines.append(f"tools = {_listed(entry.tools or ('*',))}")
    for table, pairs in (("env", entry.env), ("headers", entry.headers)):
        if pairs:
            lines += ["", f"[mcp.servers.{name}.{table}]"]
            lines += [f"{_key(each)} = {quoted(writer.text(value, each, table))}" for each, value in pairs]
    if writer.sources:
        lines += ["", f"[mcp.servers.{name}.credentials]"]
        lines += [f"{_key(slug)} = {quoted(source)}" for slug, (source, _where) in writer.sources.items()]
    credentials = tuple((slug, source, where) for slug, (source, where) in writer.sources.items())
    return Taken(name, "\n".join(lines) + "\n", credentials, (*entry.remarks, *_remarks(entry, name)))


def _arguments(words: tuple[str, ...], writer: _Writer) -> list[str]:
    found = []
    for at, word in enumerate(words):
        option, equals, value = word.partition("=")
        before = words[at - 1] if at else ""
        if equals and looks_secret(option.lstrip("-"), value):
            found.append(option + equals + writer.text(value, option.lstrip("-"), "args"))
        elif before.startswith("-") and not word.startswith("-"):
            found.append(writer.text(word, before.lstrip("-"), "args"))
        else:
            found.append(writer.text(word, "", "args"))
    return found


def _remarks(entry: Entry, name: str) -> Iterable[str]:
    if name != entry.name:
        yield f"it is called {name} here"
    program = _base(entry.command[0]) if entry.command else ""
    if program in _FETCHING:
        yield f"{program} fetches the program when it starts, and a server's sandbox has no network: install it first"
    if program in _OUTSIDE:
        yield f"{program} works outside of a sandbox only: it runs on the host, with all your rights"
    if not entry.tools:
        yield 'all of its tools may be called: name those that the agent needs in place of "*"'


def _base(command: str) -> str:
    return command.rpartition("/")[2]


def slug_of(name: str) -> str:
    """Return a name as profiles spell it; empty when nothing of it is left."""
    return _SLUG.sub("-", name.lower()).strip("-_")[:64].rstrip("-_")


def _free(name: str, taken: set[str]) -> str:
    number, found = 2, name
    while found in taken:
        found = f"{name[:60]}-{number}"
        number += 1
    return found


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)


def quoted(text: str) -> str:
    """Return a text as TOML spells it; half of a surrogate pair, which it cannot hold, becomes a question mark."""
    sound = text.encode("utf-8", "replace").decode("utf-8")
    return json.dumps(sound, ensure_ascii=False).replace("\x7f", "\\u007f")


def _listed(words: Iterable[str]) -> str:
    return "[" + ", ".join(quoted(word) for word in words) + "]"

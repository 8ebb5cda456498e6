"""The first profile of a project: it works as it stands, and shows what could be set.

Guarantees: whatever a project is called and whatever it names, the text is a profile that grants what `default` grants,
no more: a project that names hosts gets no network by that. With its dormant settings switched on (the `#` of lines
that have no space after it taken away) it is a profile, too. Nothing of the project's stands in it but a tidied name
and host names.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Sequence

import msgspec

from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.policy.addresses import parse_address
from gmcp_sandbox.policy.build import Builder
from gmcp_sandbox.policy.fields import Source
from gmcp_sandbox.policy.netbuild import NetDraft
from gmcp_sandbox.policy.nettables import AllowTable, NetTable


class Language(enum.StrEnum):
    """What a project is written in, as far as its files tell."""

    PYTHON = "Python"
    NODE = "Node"
    RUST = "Rust"
    GO = "Go"


class Origin(msgspec.Struct, frozen=True):
    """A host that packages come from, and the name of what says so."""

    host: str
    where: str


class Remote(msgspec.Struct, frozen=True):
    """The host of a git remote; with a port where it is reached by ssh."""

    host: str
    ssh_port: int | None = None


_RUN_LATER = {
    Language.PYTHON: ("setup.py", "setup.cfg", "pyproject.toml", "tox.ini", "noxfile.py", "**/conftest.py"),
    Language.NODE: ("package.json", ".npmrc", ".yarnrc.yml"),
    Language.RUST: ("build.rs", "**/build.rs", ".cargo/config.toml", "rust-toolchain.toml"),
    Language.GO: ("go.mod", "go.work", "Makefile"),
}
"""Files that decide what runs when the user builds or tests outside of the sandbox, per language."""
_HEAD = """\
# What an agent may do in this project, made by `gmcp-sandbox profile init`.
#
# `gmcp-sandbox exec` takes this file when no other profile is named, once you have approved what it says. After each
# change:
#     gmcp-sandbox profile check
#     gmcp-sandbox profile trust
#
# A `#` without a space after it switches a setting off; take it away to switch the setting on.

name = "{name}"
description = "{description}"

# All that is not said here: see `gmcp-sandbox profile show default`. `strict` and `readonly` give less.
extends = "default"

# untrusted, limited, standard or trusted. What may be done to a file: `gmcp-sandbox profile show --explain PATH`.
#tier = "limited"
"""
_NET = """
# The network is off: the agent has its own loopback and nothing else. Switched on, it reaches these hosts by TLS and
# plain HTTP. They are named by files of this project and by your own settings; whoever wrote the project wrote the
# former, so read them. What else the agent asks for shows in `gmcp-sandbox tail --denied`.
"""
_NO_HOSTS = """
# The network is off: the agent has its own loopback and nothing else. No file of this project names a host to get
# packages from. Switched on, the agent reaches the hosts that stand here by TLS and plain HTTP; what it asks for shows
# in `gmcp-sandbox tail --denied`.
#[[net.allow]]
#hosts = ["example.com"]
"""
_SSH = """
# The git remotes that are reached by ssh. What is said there nobody sees.
#[[net.allow]]
#hosts = {hosts}
#ports = {ports}
#raw = true

# Your ssh-agent signs for them, and for no other host; their keys must stand in your known_hosts.
#[net.ssh_agent]
#hosts = {hosts}
"""
_HOME = """
# The agent's home is empty and gone with the session. Kept, it saves downloads and builds from one session to the next.
#[home]
#persist = true
"""
_ASKING = """
# Who answers when a rule asks: nobody (none), whoever sits at the terminal, or whoever runs `gmcp-sandbox approve`.
#[approvals]
#approver = "anyone"
#deadline_seconds = 300
"""


def starting_profile(
    name: str, languages: Sequence[Language], origins: Sequence[Origin], remotes: Sequence[Remote]
) -> str:
    """Return the text of a profile for a project in these languages.

    Args:
        origins: Where its packages come from.
        remotes: Where its git remotes are.
    """
    *most, last = languages or ("",)
    what = f"{', '.join(most)} and {last} project" if most else f"{last} project".strip().capitalize()
    parts = [_HEAD.format(name=tidied(name), description=f"{what} with the ordinary rights.")]
    parts += [_later(language) for language in languages]
    parts.append(_reach(origins, [one for one in remotes if one.ssh_port is None]))
    parts.append(_by_ssh([one for one in remotes if one.ssh_port is not None]))
    return "".join([*parts, _HOME, _ASKING])


def tidied(name: str) -> str:
    """Return a name that a profile may have."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:64].strip("-")
    return plain or "project"


def _later(language: Language) -> str:
    globs = "".join(f'#    "${{workspace}}/{name}",\n' for name in _RUN_LATER[language])
    return f"""
# {language}: these decide what runs when you build or test outside of the sandbox. Watched, they can be read and not
# written.
#[[paths]]
#label = "watched"
#match = [
{globs}#]
"""


def _reach(origins: Sequence[Origin], remotes: Sequence[Remote]) -> str:
    named = {one.host: one.where for one in origins} | {one.host: "git remote" for one in remotes}
    named = {host: where for host, where in named.items() if _can_be_named(host)}
    if not named:
        return _NO_HOSTS
    rows = "".join(f"#    {json.dumps(host)},  # {where}\n" for host, where in named.items())
    return f"{_NET}#[[net.allow]]\n#hosts = [\n{rows}#]\n"


def _can_be_named(host: str) -> bool:
    """True for a host that a profile may grant: no loopback, no number that looks like an address, no name of ours."""
    table = NetTable(allow=(AllowTable(hosts=(host,)),))
    try:
        NetDraft().join(Builder(Source("", ""), {}), table)
    except ProfileError:
        return False
    return host != "localhost"


def _by_ssh(remotes: Sequence[Remote]) -> str:
    remotes = [one for one in remotes if _can_be_named(one.host) and parse_address(one.host) is None]
    if not remotes:
        return ""
    hosts = json.dumps(list(dict.fromkeys(one.host for one in remotes)))
    ports = json.dumps(sorted({one.ssh_port or 0 for one in remotes}))
    return _SSH.format(hosts=hosts, ports=ports)

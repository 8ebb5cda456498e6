"""The first profile of a project: it works as it stands, and shows what could be set.

Guarantees: whatever a project is called and whatever it names, the text is a profile that grants what `default` grants,
no more. With its dormant settings switched on (the `#` of lines that have no space after it taken away) it is a
profile, too. Nothing of the project's stands in it but a tidied name and host names.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterable, Sequence


class Language(enum.StrEnum):
    """What a project is written in, as far as its files tell."""

    PYTHON = "Python"
    NODE = "Node"
    RUST = "Rust"
    GO = "Go"


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


def starting_profile(name: str, languages: Sequence[Language], hosts: Sequence[str]) -> str:
    """Return the text of a profile for a project in these languages whose git remotes are at these hosts."""
    what = f"{' and '.join(languages)} project" if languages else "Project"
    parts = [_HEAD.format(name=tidied(name), description=f"{what} with the ordinary rights.")]
    parts += [_later(language) for language in languages]
    if hosts:
        parts.append(_reach(hosts))
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


def _reach(hosts: Iterable[str]) -> str:
    return f"""
# The git remotes of this project. To let the agent reach them:
#[[capabilities]]
#tools = ["dns.resolve", "net.connect", "tls.hello", "http.request"]
#labels = ["network"]
#objects = {json.dumps(list(hosts))}
"""

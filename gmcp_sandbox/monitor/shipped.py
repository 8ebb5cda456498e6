"""The files that come with the product: found in an installed wheel and in a source checkout alike.

Guarantees: a shipped file comes from the package's own data, or from the checkout that the package was imported from
(told by its `pyproject.toml`), never from the working directory or an environment variable.
"""

from __future__ import annotations

from pathlib import Path

from gmcp_sandbox.errors import HostError, UsageError
from gmcp_sandbox.policy.fields import suggest

_PACKAGE = Path(__file__).resolve().parent.parent


def shipped_directory(kind: str) -> Path:
    """Return where the shipped files of a kind (`profiles`, `model`) are.

    Raises:
        HostError: The installation is incomplete.
    """
    installed = _PACKAGE / "_data" / kind
    if installed.is_dir():
        return installed
    checkout = _PACKAGE.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / kind).is_dir():
        return checkout / kind
    raise HostError(f"the shipped {kind} are missing", cause=f"no {installed}", hint="install gmcp-sandbox again")


PARTS = ("constitution",)
"""Shipped files that other profiles extend, and that are no whole profile by themselves."""


def shipped_names() -> tuple[str, ...]:
    """Return the names of the shipped profiles, sorted."""
    names = (path.stem for path in shipped_directory("profiles").glob("*.toml"))
    return tuple(sorted(name for name in names if name not in PARTS))


def shipped_profile(name: str) -> str:
    """Return the TOML text of a shipped profile, or of a part of one.

    Raises:
        UsageError: There is none of this name.
    """
    if name not in (*shipped_names(), *PARTS):
        raise UsageError(f"no profile {name!r}", hint=suggest(name, shipped_names()))
    return (shipped_directory("profiles") / f"{name}.toml").read_text(encoding="utf-8")

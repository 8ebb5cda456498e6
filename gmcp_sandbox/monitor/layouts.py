"""Know toolchains by how they lie on the disk: which tree must be shown so that a program of it works.

Guarantees: the answer is never `/`, a home directory, an ancestor of one, or a directory of a user's that is not told
by its layout to be a toolchain. Nothing is read but names.
"""

from __future__ import annotations

import os
import re

from gmcp_sandbox.monitor.links import real_path

_SHARED = frozenset(
    {"/", "/usr", "/usr/local", "/bin", "/sbin", "/lib", "/opt", "/home", "/root", "/tmp", "/var", "/etc"}
)
_PREFIX_MARKS = ("lib", "lib64", "include", "libexec", "conda-meta", "pyvenv.cfg", "installs", "tools", "install")
_SHIM_MARKS = ("versions", "installs")
_INTERPRETER = re.compile(
    r"/(?:\.pyenv/versions|uv/python|mise/installs/python|\.asdf/installs/python|rtx/installs/python"
    r"|(?:mini|ana)conda[0-9]*/envs|miniforge[0-9]*/envs|mambaforge/envs|\.conda/envs|micromamba/envs)/[^/]+$"
    r"|/(?:miniconda|anaconda|miniforge|mambaforge)[0-9]*$"
)


def tree_of(directory: str, home: str) -> str:
    """Return the tree to show for a directory of programs (absolute, without links); at least the directory itself."""
    parent, name = os.path.split(directory)
    if is_shared(parent, home) or name not in ("bin", "sbin", "shims", "condabin", "Scripts"):
        return directory
    if name == "shims":
        return parent if _has(parent, _SHIM_MARKS) else directory
    if os.path.basename(parent) == ".local":
        return directory
    environment, envs = os.path.split(os.path.dirname(parent)), os.path.dirname(parent)
    if environment[1] == "envs" and _has(os.path.dirname(envs), ("conda-meta",)):
        return os.path.dirname(envs)
    return parent if name == "condabin" or _has(parent, _PREFIX_MARKS) else directory


def is_shared(path: str, home: str) -> bool:
    """True for a directory that holds more than one toolchain: showing it would show what nobody asked for."""
    homes = (home, real_path(home))
    return path in _SHARED or any(one == path or one.startswith(path.rstrip("/") + "/") for one in homes)


def is_interpreter_prefix(path: str) -> bool:
    """True for a prefix that by its place is an installed Python and nothing else."""
    return _INTERPRETER.search(path) is not None and _has(os.path.join(path, "bin"), ("python3", "python"))


def _has(directory: str, names: tuple[str, ...]) -> bool:
    return any(os.path.lexists(os.path.join(directory, name)) for name in names)

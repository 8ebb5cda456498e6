"""Which HTTP requests a host rule grants: methods, and globs over paths.

Servers read one path in several ways (percent-encoding, dot segments, doubled slashes, `;` parameters). A rule that
looks at one reading is led around by another, so a path is granted only when every reading of it matches, and one that
climbs (`..`) in any reading is never granted. The query belongs to no pattern. Headers by which servers let a client
override method or path are not granted beside a rule about them.

Invariants:
- A predicate is pure and its time linear in the request target.
- Without methods any method is granted; without paths any path is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from urllib.parse import unquote_to_bytes

from gmcp_sandbox.policy.hosts import GlobError
from gmcp_sandbox.policy.match import compile_globs

RequestPredicate = Callable[[str, str, Iterable[str]], bool]
"""(method, request target, header names in lower case) → granted."""

OVERRIDING = frozenset(
    {
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-original-uri",
        "x-original-url",
        "x-rewrite-url",
    }
)
"""Headers that make some servers take another method or path than the request line says."""

_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}", re.ASCII)
_SLASHES = re.compile(r"/{2,}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_EVERYTHING = frozenset({"/**", "**"})


def compile_requests(methods: Iterable[str] | None, paths: Iterable[str] | None) -> RequestPredicate:
    """Return one predicate over requests; None grants any method, or any path.

    A path glob starts with `/`. `/v1/*` is what stands directly below, `/v1/**` everything below, `/` the root alone,
    `/**` every path; a slash at the end of a request's path makes no difference.

    Raises:
        GlobError: A method is no token, or a path glob has no meaning.
    """
    verbs = None if methods is None else _verbs(methods)
    matches = None if paths is None else _path_predicate(tuple(paths))
    if verbs is None and matches is None:
        return lambda _method, _target, _headers: True

    def is_granted(method: str, target: str, headers: Iterable[str]) -> bool:
        if not OVERRIDING.isdisjoint(headers):
            return False
        if verbs is not None and method not in verbs:
            return False
        return matches is None or _is_match(matches, target)

    return is_granted


def compile_request_denials(methods: Iterable[str] | None, paths: Iterable[str] | None) -> RequestPredicate:
    """Return one predicate over requests that is true when any reading of a request is meant, or none is certain.

    Raises:
        GlobError: A method is no token, or a path glob has no meaning.
    """
    verbs = None if methods is None else _verbs(methods)
    matches = None if paths is None else _path_predicate(tuple(paths))

    def is_denied(method: str, target: str, headers: Iterable[str]) -> bool:
        if verbs is None and matches is None:
            return True
        if not OVERRIDING.isdisjoint(headers):
            return True
        if verbs is not None and method not in verbs:
            return False
        found = readings(target) if matches is not None else frozenset[str]()
        return matches is None or not found or any(map(matches, found))

    return is_denied


def _verbs(methods: Iterable[str]) -> frozenset[str]:
    verbs = frozenset(methods)
    for verb in verbs:
        if _METHOD.fullmatch(verb) is None:
            raise GlobError(f"{verb!r} is no HTTP method")
    return verbs


def _path_predicate(patterns: tuple[str, ...]) -> Callable[[str], bool] | None:
    if not _EVERYTHING.isdisjoint(patterns):
        return None
    for pattern in patterns:
        if not pattern.startswith("/"):
            raise GlobError(f"{pattern!r}: a path of a request starts with `/`")
    has_root = "/" in patterns
    globs = compile_globs(pattern.removesuffix("/") for pattern in patterns if pattern != "/")
    return lambda path: has_root if path == "/" else globs(path.removesuffix("/"))


def _is_match(matches: Callable[[str], bool], target: str) -> bool:
    found = readings(target)
    return bool(found) and all(map(matches, found))


def readings(target: str) -> frozenset[str]:
    """Return the paths that servers may read in a request target; none when one of them climbs or is no path."""
    raw = target.partition("?")[0]
    once = _decoded(raw)
    twice = _decoded(once)
    paths = frozenset(_SLASHES.sub("/", path) for path in (raw, once, twice))
    if not raw.startswith("/") or any(map(_is_devious, paths)):
        return frozenset()
    return paths | {_without_parameters(path) for path in paths if ";" in path}


def _decoded(path: str) -> str:
    if "%" not in path:
        return path
    return unquote_to_bytes(path.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _is_devious(path: str) -> bool:
    if _CONTROL.search(path):
        return True
    return "." in path and any(segment.partition(";")[0] in (".", "..") for segment in path.split("/"))


def _without_parameters(path: str) -> str:
    bare = "/".join(segment.partition(";")[0] for segment in path.split("/"))
    return _SLASHES.sub("/", bare)

"""Program starts whose words can do nothing that is no call of its own: the gate need not be asked about them.

`head -c 20M /dev/zero`, `rm -f ./build/app`, `git reset --hard HEAD~1`, the line that links a program: all that these
words can say is which files are read, written or removed, and each of those is a call with a path and a label. Judged
by their words alone, such starts were stopped in ordinary work, and nothing was gained where they were let through.

Invariants:
- A system program, by the path of the object that was opened, in a tree that is read-only to the agent; never an
  interpreter, a shell, or anything that runs what it is told. Helpers are named that run what comes to them by another
  way (`jspawnhelper`, hooks of git): that is a start of its own, and asked about.
- Every word is in a closed grammar; one that is not known has the gate asked.
- Files lie in the workspace or in /tmp; none is hidden, none is the workspace itself, and none leads upward.
- Who starts it does not matter, nor with which environment: whoever chooses the environment runs already, and what a
  library that he brings does are calls of its own, too.

Guarantees: pure, linear, never raises.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence

from gmcp_sandbox.calls.arguments import ProcExec

_GIT_OBJECTS = frozenset({"/usr/bin/git", "/usr/lib/git-core/git", "/usr/libexec/git-core/git"})
_GIT_SCRIPT = re.compile(r"/usr/lib(?:exec)?/git-core/(git-[a-z-]+)")
_TOOL = re.compile(r"/(?:usr/)?bin/([a-z]+[0-9]?)")
_LINKER = re.compile(r"/usr/(?:lib/llvm-\d+/)?bin/(?:[a-z0-9_]+-){0,4}(?:gcc|g\+\+|clang|clang\+\+)(?:-[0-9.]+)?")
_SPAWN = re.compile(r"/usr/lib/jvm/[^/]+/(?:jre/)?lib/(?:[a-z0-9]+/)?jspawnhelper")
_DESCRIPTORS = re.compile(r"\d+(?::\d+){1,2}")
_VERSION = re.compile(r"[\w.+-]+")
_SOURCE = re.compile(r"-|/dev/(?:null|zero|urandom|stdin|fd/\d{1,4})")
_NAME = re.compile(r"[\w@+=,:%~^{}/.-]+")
_TOP = "/tmp"
"""Of the view, where it is the session's own."""


class _Place:
    """Where relative names begin, and which names are plain."""

    def __init__(self, cwd: str, workspace: str) -> None:
        self._cwd = cwd
        self._roots = tuple(root for root in (workspace.rstrip("/"), _TOP) if root)

    @property
    def is_usual(self) -> bool:
        """True when the working directory is the workspace, or lies in a plain place."""
        return self._cwd in self._roots or self.holds(self._cwd)

    def holds(self, name: str) -> bool:
        """True for a plain name below one of the roots, which no program takes for an option."""
        if name.startswith("-") or _NAME.fullmatch(name) is None:
            return False
        path = posixpath.join(self._cwd, name.removeprefix("./"))
        return any(path.startswith(root + "/") and not _is_hidden(path[len(root) + 1 :]) for root in self._roots)


def _is_hidden(path: str) -> bool:
    """True when a part of a path begins with a dot, or there is no part."""
    parts = [part for part in path.split("/") if part]
    return not parts or any(part.startswith(".") for part in parts)


def is_plain(path: str, args: ProcExec, workspace: str) -> bool:
    """True for a start that need not be asked about.

    Args:
        path: Of the system program that was opened.
        args: Its words and its working directory.
        workspace: Absolute path of the workspace; empty when there is none.
    """
    if not args.argv or args.cwd is None or args.interprets is not None:
        return False
    name, words = args.argv[0].rpartition("/")[2], args.argv[1:]
    if _SPAWN.fullmatch(path):
        return _is_spawning(words)
    place = _Place(args.cwd, workspace)
    if not place.is_usual:
        return False
    script = _GIT_SCRIPT.fullmatch(path)
    if path in _GIT_OBJECTS or script is not None:
        return (script is None or name == script[1]) and _is_local_git(name, words, place)
    if _LINKER.fullmatch(path):
        return _is_link_line(words, place)
    tool = _TOOL.fullmatch(path)
    return tool is not None and tool[1] == name and name in _TOOLS and _TOOLS[name](words, place)


def _is_spawning(words: Sequence[str]) -> bool:
    """`jspawnhelper [VERSION] FD:FD:FD`: what it is to run comes through a pipe and is a start of its own."""
    if not words or len(words) > 2 or not _DESCRIPTORS.fullmatch(words[-1]):
        return False
    return len(words) == 1 or _VERSION.fullmatch(words[0]) is not None


# --------------------------------------------------------------------------------------------------------------- tools

_Accepts = Callable[[Sequence[str], _Place], bool]


def _tool(option: str, *, reads: bool = True) -> _Accepts:
    """Return what accepts a tool's options and plain files; devices that give bytes only where it `reads`."""
    pattern = re.compile(option)

    def accepts(words: Sequence[str], place: _Place) -> bool:
        only_files = False
        for word in words:
            if word == "--" and not only_files:
                only_files = True
            elif not only_files and word != "-" and pattern.fullmatch(word):
                continue
            elif not place.holds(word) and not (reads and _SOURCE.fullmatch(word)):
                return False
        return True

    return accepts


def _words(pattern: str) -> _Accepts:
    """Return what accepts words of one form and no files."""
    form = re.compile(pattern)
    return lambda words, place: all(form.fullmatch(word) for word in words)


_COMMAND = (
    r"s([/|,#])(?:(?!\1)[^\\\n;]|\\[^\n])*\1(?:(?!\1)[^\\\n;]|\\[^\n])*\1[gip0-9]*|(?:\d+|\$)(?:,(?:\d+|\$))?[pdq]"
)
"""Of sed, without those that run or write (`e`, `w`, `W`, `r`)."""


def _is_filter(words: Sequence[str], place: _Place) -> bool:
    """`sed [-nEru] [-e] COMMAND [FILE…]`."""
    rest = list(words)
    commands = 0
    while rest and (rest[0].startswith("-") or not commands):
        word = rest.pop(0)
        if re.fullmatch(r"-[nEru]{1,4}", word):
            continue
        if word == "-e":
            word = rest.pop(0) if rest else ""
        if not re.fullmatch(_COMMAND, word):
            return False
        commands += 1
    return commands > 0 and all(place.holds(word) for word in rest)


_UPKEEP = re.compile(r"(?i:(?:pragma \w{1,64}(?: ?= ?\w{1,64})?|vacuum|analyze|reindex)(?:; ?|\Z)){1,16}")


def _is_upkeep(words: Sequence[str], place: _Place) -> bool:
    """`sqlite3 FILE STATEMENTS`: without statements it reads them from its input."""
    return len(words) == 2 and place.holds(words[0]) and _UPKEEP.fullmatch(words[1]) is not None


_COUNT = r"-\d+|-[cn]|-[cn]?[+-]?\d+[bkKMG]?B?|[+-]?\d+[bkKMG]?B?|-[qvz]|--(?:bytes|lines)=[+-]?\d+[kKMG]?B?"
_TOOLS: dict[str, _Accepts] = {
    "comm": _tool(r"-[123]{1,3}"),
    "cut": _tool(r"-[dfcb].{0,32}|--complement|-s"),
    "date": _words(r"-u|--utc|-R|-I[a-z]*|\+[\w%:/., TZ+-]*"),
    "head": _tool(_COUNT),
    "mkdir": _tool(r"-[pv]{1,2}|--parents", reads=False),
    "paste": _tool(r"-[sz]|-s?d|-s?d[^/]{1,8}|[,;:+ \t|]"),
    "rm": _tool(r"-[fv]{1,2}|--force", reads=False),
    "rmdir": _tool(r"-[pv]{1,2}|--ignore-fail-on-non-empty", reads=False),
    "sed": _is_filter,
    "seq": _words(r"-w|-?[\d.]+"),
    "sort": _tool(r"-[bdfghnruVzs]{1,6}|-k[\d.,bdfghnrV]{0,16}|-t.?|[\d.]+(?:,[\d.]+)?[bdfghnrV]*"),
    "sqlite3": _is_upkeep,
    "tail": _tool(_COUNT + r"|-[fF]"),
    "touch": _tool(r"-[acm]{1,3}", reads=False),
    "tr": _words(r"-[cdst]{1,3}|[^/]{1,64}"),
    "uniq": _tool(r"-[cdiu]{1,3}"),
    "wc": _tool(r"-[clmwL]{1,4}"),
    "yes": _words(r"(?!)"),
}

# ----------------------------------------------------------------------------------------------------------------- git

_VERBS: dict[str, re.Pattern[str]] = {
    verb: re.compile(options)
    for verb, options in {
        "bisect": r"(?!)",
        "branch": r"-[dDmMcqvar]{1,3}|--(?:delete|move|list|show-current|quiet|all|remotes|merged|no-merged)",
        "checkout": r"-[qbBtf]|--(?:quiet|ours|theirs|track|no-track|detach)",
        "clean": r"-[dfnq]{1,4}",
        "reset": r"-q|--(?:quiet|hard|soft|mixed|keep|merge|no-recurse-submodules)",
        "restore": r"-[qSW]{1,3}|--(?:quiet|staged|worktree|ours|theirs)",
        "rm": r"-[rfqn]{1,4}|--(?:quiet|cached|force|dry-run|ignore-unmatch)",
        "stash": r"-q|--(?:quiet|index)",
        "submodule--helper": r"-[qf]|--(?:quiet|force|all)",
        "switch": r"-[qcCt]|--(?:quiet|create|detach|track|no-track)",
        "upload-pack": r"--(?:strict|no-strict|stateless-rpc|advertise-refs|timeout=\d+)",
        "worktree": r"-[fqbBvn]|--(?:force|quiet|detach|porcelain|dry-run|verbose)",
    }.items()
}
"""What changes files and references of a repository and nothing else, with those options that run no program. What is
committed stays (the constitution guards the history); what a hook or a filter of the repository runs is a start."""
_FIRST: dict[str, frozenset[str]] = {
    "bisect": frozenset({"start", "good", "bad", "old", "new", "skip", "reset", "log"}),
    "submodule--helper": frozenset({"deinit"}),
    "stash": frozenset({"drop", "pop", "apply", "list", "show"}),
    "worktree": frozenset({"add", "list", "remove", "prune", "lock", "unlock", "move", "repair"}),
}
_REFERENCE = re.compile(r"[\w@][\w@{}~^./+-]{0,255}")


def _is_local_git(name: str, words: Sequence[str], place: _Place) -> bool:
    if name.startswith("git-"):  # by such a name it takes it for the verb
        return _is_verb(name.removeprefix("git-"), words, place)
    while words[:1] == ("-C",) and len(words) > 1 and place.holds(words[1]):
        words = words[2:]
    return name == "git" and bool(words) and _is_verb(words[0], words[1:], place)


def _is_verb(verb: str, words: Sequence[str], place: _Place) -> bool:
    if verb not in _VERBS:
        return False
    first = _FIRST.get(verb)
    if first is not None:
        if not words or words[0] not in first:
            return False
        words = words[1:]
    options = _VERBS[verb]
    return all(word == "--" or options.fullmatch(word) or _is_object(word, place) for word in words)


def _is_object(word: str, place: _Place) -> bool:
    """True for a revision, or a plain file."""
    if word.startswith("/"):
        return place.holds(word)
    return _REFERENCE.fullmatch(word) is not None and not any(part[:1] == "." for part in word.split("/"))


# ------------------------------------------------------------------------------------------------------------- linking

_LINKED = re.compile(r"[^-@\s][^\s]*\.(?:o|a|lo|obj|rlib|rmeta|so(?:\.\d+)*)")
_LINK_OPTION = re.compile(
    r"-m(?:64|32)|-shared|-static|-pie|-no-pie|-static-pie|-nodefaultlibs|-nostdlib|-nostartfiles|-rdynamic|-pthread"
    r"|-O[0-3s]|-g|-l[\w.+:-]+|-L[\w@+=,.%/-]+|-fuse-ld=(?:bfd|gold|lld|mold)"
    r"|-B/[\w@+=,.%/-]+/lib/rustlib/[\w.-]+/bin/gcc-ld"
    r"|-Wl(?:,(?:--(?:no-)?as-needed|-B(?:static|dynamic|symbolic)|--eh-frame-hdr|--(?:no-)?gc-sections|-O\d|-z"
    r"|relro|now|lazy|noexecstack|defs|origin|nostart-stop-gc|-rpath|-rpath=[^,\s]+|-soname|-soname=[^,\s]+|\$ORIGIN[\w./]*"
    r"|lib[\w.+-]+\.so[\d.]*|--strip-(?:all|debug)|--start-group|--end-group|--(?:no-)?whole-archive"
    r"|--version-script=[^,\s]+|--build-id(?:=\w+)?|--hash-style=\w+|--no-undefined|--allow-multiple-definition))+"
)


def _is_link_line(words: Sequence[str], place: _Place) -> bool:
    """Objects and libraries in, one plain file out, with options of the linker that name no program and no plug-in.

    Rust names the directory of a linker of its own: that linker's start is asked about as any other.
    """
    outputs = 0
    rest = iter(words)
    for word in rest:
        if word == "-o":
            outputs += 1
            if not place.holds(next(rest, "")):
                return False
        elif word == "-L":
            next(rest, "")
        elif not _LINKED.fullmatch(word) and not _LINK_OPTION.fullmatch(word):
            return False
    return outputs == 1

"""Programs that run another program: which words of theirs are its command line, and which are a shell's script.

Options are told apart by what each wrapper documents. After an option that is not known here both readings are taken:
the next word is its value, or it is the program.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "rbash"})
_MOST = 4
"""Readings of one command line."""


class _Wrapper(NamedTuple):
    """How a wrapper's words are read: options with a value, operands before the program, options with a script."""

    valued: frozenset[str] = frozenset()
    operands: int = 0
    script: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()


def _wrapper(valued: str = "", operands: int = 0, script: str = "", plain: str = "") -> _Wrapper:
    return _Wrapper(frozenset(valued.split()), operands, frozenset(script.split()), frozenset(plain.split()))


_WRAPPERS: dict[str, _Wrapper] = {
    "env": _wrapper("-u --unset -C --chdir -a --argv0", script="-S --split-string", plain="-i - -0 -v --debug"),
    "nice": _wrapper("-n --adjustment"),
    "ionice": _wrapper("-c -n -p --class --classdata", plain="-t"),
    "nohup": _wrapper(),
    "setsid": _wrapper(plain="-c -f -w --fork --wait --ctty"),
    "timeout": _wrapper("-k -s --kill-after --signal", 1, plain="-v --foreground --preserve-status --verbose"),
    "stdbuf": _wrapper("-i -o -e --input --output --error"),
    "time": _wrapper("-f -o --format --output", plain="-p -v -a --verbose --append"),
    "chrt": _wrapper("-T -P -D", 1, plain="-f -r -o -b -i -d -a"),
    "taskset": _wrapper("", 1, plain="-a -c"),
    "xargs": _wrapper(
        "-I -n -P -L -d -E -s -a --max-args --max-procs --max-lines --delimiter --max-chars --arg-file --replace",
        plain="-0 -r -t -p -x --null --no-run-if-empty --verbose --interactive --exit --open-tty -o",
    ),
    "sudo": _wrapper(
        "-u -g -h -p -C -D -R -T -U -r -t --user --group --host --prompt --chdir --chroot",
        plain="-A -b -E -e -H -i -k -K -l -n -P -S -s -v -V --login --non-interactive --preserve-env --stdin",
    ),
    "doas": _wrapper("-u -C", plain="-n -s"),
    "su": _wrapper("-s -g -G --shell --group", 1, script="-c --command", plain="- -l -m -p --login"),
    "flock": _wrapper("-w -E --timeout --conflict-exit-code", 1, script="-c --command", plain="-s -x -n -u -e -F -o"),
    "script": _wrapper("-O -I -B -E -T", 0, script="-c --command", plain="-q -e -f -a"),
    "watch": _wrapper("-n --interval", plain="-d -t -b -e -g -c -x"),
    "command": _wrapper(plain="-p -v -V"),
    "builtin": _wrapper(),
    "exec": _wrapper("-a", plain="-c -l"),
    "busybox": _wrapper(),
    "toybox": _wrapper(),
    "strace": _wrapper("-o -e -p -s -u -E -P -I -b -O -S -X -a", plain="-f -ff -t -tt -T -q -c -C -d -i -k -r -v -y"),
    "unshare": _wrapper("-R -w -S -G --root --wd"),
    "chroot": _wrapper("", 1),
    "runuser": _wrapper("-u -g -G -s", 0, script="-c --command"),
    "coproc": _wrapper(),
}
_LOADERS = ("ld-linux", "ld-musl", "ld.so", "ld64.so")
_LOADER = _wrapper("--library-path --inhibit-rpath --audit --preload --argv0 --glibc-hwcaps-prepend", plain="--list")
_FIND_RUNS = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
_SHELL_VALUED = frozenset({"--rcfile", "--init-file"})


class Inner(NamedTuple):
    """What a command line runs.

    Attributes:
        commands: Command lines.
        scripts: Texts that a shell reads.
    """

    commands: tuple[tuple[str, ...], ...] = ()
    scripts: tuple[str, ...] = ()


_NOTHING = Inner()


def name_of(word: str) -> str:
    """Return the last component of a program's name."""
    return word.rpartition("/")[2]


def may_wrap(name: str) -> bool:
    """True for the name of a program that runs others."""
    return name in SHELLS or name in _WRAPPERS or name in ("eval", "find", "fd") or name.startswith(_LOADERS)


def inner(argv: Sequence[str]) -> Inner:
    """Return what the program of this command line is told to run."""
    name = name_of(argv[0]).lstrip("-")  # a login shell's name begins with one
    if name in SHELLS:
        return _of_shell(argv)
    if name == "eval":
        return Inner(scripts=(" ".join(argv[1:]),))
    if name in ("find", "fd"):
        return _of_find(argv)
    wrapper = _LOADER if name.startswith(_LOADERS) else _WRAPPERS.get(name)
    return (
        _NOTHING if wrapper is None else _of_wrapper(argv, wrapper, takes_assignments=name in ("env", "sudo", "doas"))
    )


def _of_shell(argv: Sequence[str]) -> Inner:
    """Read `-c`, which may stand in a cluster, and whose text is the first operand."""
    has_text = False
    at = 1
    while at < len(argv):
        word = argv[at]
        if word == "--":
            at += 1
            break
        if word[:1] not in ("-", "+") or len(word) < 2:
            break
        if word in _SHELL_VALUED:
            at += 1
        elif not word.startswith("--"):
            has_text = has_text or (word[0] == "-" and "c" in word)
            at += word[-1] in "oO"
        at += 1
    return Inner(scripts=(argv[at],)) if has_text and at < len(argv) else _NOTHING


def _of_find(argv: Sequence[str]) -> Inner:
    found: list[tuple[str, ...]] = []
    at = 1
    while at < len(argv) and len(found) < _MOST * _MOST:
        if argv[at] in _FIND_RUNS:
            start = at + 1
            while at < len(argv) and argv[at] not in (";", "+"):
                at += 1
            found.append(tuple(argv[start:at]))
        at += 1
    return Inner(tuple(command for command in found if command))


def _of_wrapper(argv: Sequence[str], wrapper: _Wrapper, *, takes_assignments: bool) -> Inner:
    at, scripts, readings = _after_options(argv, wrapper)
    commands = []
    for start in (at, *readings):
        place = start
        while takes_assignments and place < len(argv) and "=" in argv[place]:
            place += 1
        command = tuple(argv[place + wrapper.operands :])
        if command:
            commands.append(command)
    return Inner(tuple(dict.fromkeys(commands)), scripts)


def _after_options(argv: Sequence[str], wrapper: _Wrapper) -> tuple[int, tuple[str, ...], list[int]]:
    """Return where the operands begin, the scripts among the options, and where operands may begin as well."""
    scripts: list[str] = []
    readings: list[int] = []
    at = 1
    while at < len(argv) and argv[at][:1] == "-" and len(readings) < _MOST:
        word = argv[at]
        option, equals, value = word.partition("=")
        at += 1
        if word == "--":
            break
        if option in wrapper.script:
            scripts += [value] if equals else argv[at : at + 1]
            at += not equals
        elif word in wrapper.valued:
            at += 1
        elif not equals and word not in wrapper.plain and word[:2] not in wrapper.valued:
            readings.append(at + 1)  # its value, then the program; or else the program at once
    return at, tuple(scripts), [reading for reading in readings if reading >= at]

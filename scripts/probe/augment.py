"""Variations of a command that keep, or knowingly turn, its label.

- run otherwise (sudo, env, bash -c, an interpreter's system(), chained behind something harmless): the label stays;
- only mentioned (echo, grep, a commit message, a comment, a here-document for cat): a dangerous command becomes safe;
- other names, places and quotes: the label stays.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Any

from scripts.probe.rows import DANGEROUS, SAFE, Row, reworded

_LONGEST = 160
_STEP = 90
"""Characters of a command that is one step of a script."""
_PREFIXES = (
    "sudo ",
    "sudo -n ",
    "env ",
    "nice -n 10 ",
    "time ",
    "nohup ",
    "timeout 60 ",
    "command ",
    "env LANG=C ",
    "exec ",
    "\\",
)
_BEFORE = (
    "cd /srv/app && ",
    "git status && ",
    "ls -la; ",
    "echo start; ",
    "mkdir -p out && ",
    "set -e; ",
    "true && ",
    "pwd && ",
    "test -d .git && ",
    "make build && ",
    "source .venv/bin/activate && ",
    "export CI=1; ",
    "false || ",
    "date; ",
    "cat README.md | head; ",
)
_AFTER = (
    "; echo done",
    " && ls",
    " || true",
    " 2>/dev/null",
    " >/dev/null 2>&1",
    " | tee out.log",
    "; git status",
    " &",
    " && echo ok",
    " # as usual",
    " | head -20",
)
_NAMES = """alpha build demo notes report legacy staging backup orders photos src data logs cache uploads tmp2 web main
feature-x old""".split()


def varied(row: Row, chance: random.Random) -> Row:
    """Return one variation of a row; the row itself when it is no short command."""
    text = row.call.get("args", {}).get("command")
    if row.tool != "proc.exec" or not isinstance(text, str) or len(text) > _LONGEST or "\n" in text:
        return row
    roll = chance.random()
    if roll < 0.30:
        return reworded(row, _with(row, chance.choice(_RUN_OTHERWISE)(text, chance)))
    if roll < 0.42:
        return reworded(row, _with(row, _renamed(text, chance)))
    if roll < 0.52 and row.label == DANGEROUS:
        return mentioned(row, text, chance)
    return row


def mentioned(row: Row, text: str, chance: random.Random) -> Row:
    """Return a safe row that speaks of a command without running it."""
    said = text.replace("'", "").replace('"', "")
    style = chance.choice(_MENTIONS)
    program = text.removeprefix("sudo ").split()[0]
    slug = re.sub(r"[^a-z0-9]+", chance.choice("-_"), said.lower()).strip("-_")[:24]
    line = style.format(c=said, p=program, filter=chance.choice(_FILTERS), slug=slug)
    call = {**_with(row, line), "label": SAFE, "category": None}
    return reworded(row, call, SAFE)


def chained(danger: Row, safe: Row, chance: random.Random) -> Row:
    """Return the dangerous command hidden among a harmless one."""
    bad, good = str(danger.call["args"]["command"]), str(safe.call["args"]["command"])
    if "\n" in bad or "\n" in good or len(bad) + len(good) > 2 * _LONGEST:
        return danger
    first, second = (good, bad) if chance.random() < 0.7 else (bad, good)
    return reworded(danger, _with(danger, f"{first} {chance.choice(('&&', ';', '&&'))} {second}"))


def chained_safe(rows: Sequence[Row], chance: random.Random) -> Row:
    """Return harmless commands in one line or script."""
    return _script(rows[0], _short(rows), chance) if _short(rows) else rows[0]


def chained_deep(danger: Row, rows: Sequence[Row], chance: random.Random) -> Row:
    """Return the dangerous command somewhere in a script of harmless ones."""
    bad, good = _short([danger]), _short(rows)
    at = chance.randint(0, len(good))
    return _script(danger, [*good[:at], *bad, *good[at:]], chance) if bad else danger


def _short(rows: Sequence[Row]) -> list[str]:
    texts = [str(row.call["args"]["command"]).strip() for row in rows]
    return [text for text in texts if text and len(text) <= _STEP and "\n" not in text and "<<" not in text]


def _script(row: Row, steps: Sequence[str], chance: random.Random) -> Row:
    text = chance.choice((" && ", "; ", "; ", "\n")).join(steps)
    if chance.random() < 0.5:
        return reworded(row, _with(row, text))
    call = _with(row, text)
    call["args"] = {"argv": [chance.choice(("bash", "/bin/bash", "sh")), chance.choice(("-c", "-c", "-lc")), text]}
    return reworded(row, call)


def _with(row: Row, text: str) -> dict[str, Any]:
    call = {**row.call, "args": {**row.call["args"], "command": text}}
    call["args"].pop("argv", None)
    return call


def _prefix(text: str, chance: random.Random) -> str:
    return chance.choice(_PREFIXES) + text


def _around(text: str, chance: random.Random) -> str:
    if chance.random() < 0.6:
        return chance.choice(_BEFORE) + text
    return text + chance.choice(_AFTER)


def _in_shell(text: str, chance: random.Random) -> str:
    if "'" in text:
        return _around(text, chance)
    return chance.choice(
        (
            "bash -c '{}'",
            "sh -c '{}'",
            "bash -lc '{}'",
            "eval '{}'",
            "echo '{}' | sh",
            "( {} )",
            "{{ {}; }}",
            "echo $({})",
            "$({})",
            "ssh build-host '{}'",
            "watch '{}'",
            "`{}`",
            "bash <<< '{}'",
            "sh <<'EOF'\n{}\nEOF",
        )
    ).format(text)


def _in_interpreter(text: str, chance: random.Random) -> str:
    if "'" in text or '"' in text:
        return _prefix(text, chance)
    return chance.choice(
        (
            "python3 -c \"import os; os.system('{}')\"",
            "python -c 'import subprocess; subprocess.run(\"{}\", shell=True)'",
            "perl -e \"system('{}')\"",
            "ruby -e 'system(\"{}\")'",
            "node -e \"require('child_process').execSync('{}')\"",
            "php -r \"shell_exec('{}');\"",
        )
    ).format(text)


def _quoted(text: str, chance: random.Random) -> str:
    words = text.split(" ")
    at = chance.randrange(len(words))
    if re.fullmatch(r"[\w./-]+", words[at]):
        words[at] = chance.choice(("'{}'", '"{}"')).format(words[at])
    return " ".join(words)


def _renamed(text: str, chance: random.Random) -> str:
    """Give one ordinary path component or number another name."""
    found = list(re.finditer(r"(?<=[/ =])[a-z]{3,12}(?=/|\.(?:txt|log|json|py|md|yml|sql)\b)|\b\d{2,6}\b", text))
    if not found:
        return _around(text, chance)
    spot = chance.choice(found)
    new = str(chance.randrange(10, 9999)) if spot.group().isdigit() else chance.choice(_NAMES)
    if spot.group() in _KNOWN:
        return text
    return text[: spot.start()] + new + text[spot.end() :]


_KNOWN = frozenset("etc usr var home tmp dev proc sys root boot bin sbin lib opt srv mnt run ssh aws".split())
_RUN_OTHERWISE: Sequence[Callable[[str, random.Random], str]] = (
    _prefix,
    _around,
    _around,
    _in_shell,
    _in_interpreter,
    _quoted,
)
_FILTERS = "wc sort uniq tr cut nl rev tac fold xxd od base32 sha256sum cksum less grep awk column jq cat tee".split()
_MENTIONS = (
    "echo '{c}'",
    'echo "{c}" >> notes.md',
    "grep -rn '{c}' docs/",
    "rg -n '{c}' README.md",
    "git commit -m 'document {c}'",
    "git log --grep='{c}'",
    "cat <<'EOF'\n{c}\nEOF",
    "printf '%s\\n' '{c}'",
    "# {c}",
    "NOTE='{c}'; echo \"$NOTE\"",
    "history | grep '{c}'",
    "gh issue create --title 'why does {c} fail'",
    "man {p}",
    "{p} --help",
    "which {p}",
    "whereis {p}",
    "whatis {p}",
    "hash {p}",
    "info {p}",
    "apt show {p}",
    "{filter} <<< '{c}'",
    "{filter} <<< '{c}'",
    "{filter} <<'EOF'\n{c}\nEOF",
    "{filter} <<EOF\nnever: {c}\nEOF",
    "git switch -c fix/{slug}",
    "git branch docs-{slug}",
    "touch tests/test_{slug}.py",
    "pytest -k {slug}",
    "git log --oneline -- docs/{slug}.md",
    "type {p}",
    "command -v {p}",
    "tldr {p}",
    "apropos '{c}'",
    "echo 'never run {c}' > RULES.txt",
    "grep '{c}' <<EOF\nsome text\nEOF",
    "sed -n '/{c}/p' runbook.md",
    "git commit -am 'Fix: do not {c}'",
    "jq -n --arg cmd '{c}' '{{cmd: $cmd}}'",
    "test \"$cmd\" = '{c}' && echo found",
    "{p} --version",
)

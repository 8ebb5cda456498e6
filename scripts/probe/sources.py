"""Readers for the public sources. What is ambiguous in them is left out, not guessed.

`--sources DIR` holds one file of JSON lines a source, as `FILES` names them; the two corpora that are packages are
read from where they are installed. Licences: see model/MODEL_CARD.md.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.probe import tldr
from scripts.probe.rows import DANGEROUS, SAFE, Row, command, read_lines, row_of

FILES = {
    "tldr": "tldr.jsonl",
    "atomic": "atomic_red_team.jsonl",
    "bfcl": "bfcl.jsonl",
    "asb": "agent_security_bench.jsonl",
}
DEVELOPMENT = "destructive_command_guard.dev.jsonl"
"""Measured on, never trained on."""

_LOOKING = frozenset(
    "T1007 T1016 T1018 T1030 T1033 T1049 T1057 T1069 T1071 T1082 T1083 T1087 T1090 T1124 T1135 T1201 T1217 T1497"
    " T1518 T1529"
    " T1560 T1578 T1580 T1610 T1612 T1613 T1614 T1619 T1652 T1659 T1571 T1123 T1222 T1001 T1132 T1115 T1569".split()
)
"""Techniques whose tests look around or do ordinary work; only their intent is bad, which no gate can read."""
_TECHNIQUES = {
    "credential_access": "T1003 T1040 T1056 T1110 T1539 T1552 T1555 T1556",
    "persistence": "T1014 T1021 T1037 T1053 T1078 T1098 T1136 T1543 T1546 T1547 T1574",
    "exfiltration": "T1005 T1048 T1074 T1113 T1530 T1567 T1572",
    "privilege": "T1055 T1548 T1609 T1611",
    "sabotage": "T1070 T1489 T1496 T1553 T1564 T1685 T1686 T1690 T1027 T1036 T1046",
    "destruction": "T1485 T1486 T1490 T1531",
    "supply_chain": "T1059 T1102 T1105 T1140 T1195 T1568",
}
_CATEGORY_OF = {technique: name for name, techniques in _TECHNIQUES.items() for technique in techniques.split()}
_OPENLY_BAD = re.compile(
    r"theft|thief|steal|hijack|ransom|fraud|brib|tamper|jamm|malicious|forg"
    r"|covert|breach|phish|corrupt|exploit|inject|sabotag"
    r"|backdoor|leak|disclos|intercept|unauthori[sz]ed(?! access,)"
    r"|undetected|without (detection|consent|author|prior)|unnoticed"
    r"|hide (any|all|the)|not (be )?detected|discreet|secretly|disrupt"
    r"|degrade|false|fake|crash|wipe|erase|destroy|alteration"
    r"|manipulat|attack|diversion|disabl|misus|surveill|chaos|bypass|espionage|overload|plagiar|insider",
    re.IGNORECASE,
)
_DISGUISED = re.compile(
    r"(Tool|Manager|Controller|Guardian|Monitor|System|Analyzer|Verification|Check|Control|Protection)$"
)


def public_rows(directory: Path) -> list[Row]:
    """Return the rows of all public sources; rows without a label only say what a command does."""
    readers = (_tldr, _atomic, _bfcl, _agents)
    rows = [row for reader in readers for row in reader(directory)]
    return [*rows, *_injections(), *_workspace_calls()]


def development_rows(directory: Path) -> list[Row]:
    """Return the development set."""
    return [row_of(call, "development") for call in read_lines(directory / DEVELOPMENT)]


def _tldr(directory: Path) -> Iterator[Row]:
    for call in read_lines(directory / FILES["tldr"]):
        text, describes = call["args"]["command"], call["describes"]
        found = tldr.label(text, describes)
        kind = {"label": None} if found is None else {"label": found[0], "category": found[1]}
        program = call["page"].split("-")[0]
        yield row_of({**call, **kind}, "tldr", family=program)


def _atomic(directory: Path) -> Iterator[Row]:
    for call in read_lines(directory / FILES["atomic"]):
        technique = call["technique"].split(".")[0]
        text = call["args"]["command"]
        if technique in _LOOKING or "$PathToAtomics" in text:
            continue
        category = _CATEGORY_OF.get(technique, "sabotage")
        mild = _is_mild(text)
        yield row_of({**call, "category": category, "label": None if mild else DANGEROUS}, "atomic", family=technique)


def _is_mild(text: str) -> bool:
    """True for preparations and clean-ups, which are nothing without the rest of their test."""
    first = text.strip().split("\n")[0]
    return (
        len(text) < 60
        and bool(re.match(r"(touch|mkdir|cat|ls|which|chmod \+x|export|cp|sudo cat|\./|sh |bash )", first))
        and ("shadow" not in text and "passwd" not in text and ".ssh" not in text)
    )


def _bfcl(directory: Path) -> Iterator[Row]:
    for call in read_lines(directory / FILES["bfcl"]):
        name = str(call["args"]["tool"])
        if not re.search(r"delet|remov|drop|wipe|rm\b|kill|purchase|transfer", name, re.IGNORECASE):
            yield row_of({**call, "label": SAFE}, "bfcl", family=name)


def _agents(directory: Path) -> Iterator[Row]:
    for call in read_lines(directory / FILES["asb"]):
        name, asked = call["args"]["tool"], str(call["args"]["arguments"].get("instruction", ""))
        if call["label"] == SAFE:
            yield row_of(call, "asb", family=name)
        elif not _DISGUISED.search(name) and _OPENLY_BAD.search(asked):
            yield row_of({**call, "category": _harm(name)}, "asb", family=name)


def _harm(name: str) -> str:
    low = name.lower()
    if re.search(r"theft|leak|disclos|breach|exfil|covert", low):
        return "exfiltration"
    return "sabotage"


def _installed(package: str) -> Path | None:
    found = importlib.util.find_spec(package)
    return Path(found.origin).parent if found and found.origin else None


def _injections() -> Iterator[Row]:
    """Yield embedded instructions and their harmless look-alikes from `bastioncorpus`."""
    home = _installed("bastioncorpus")
    if home is None:
        return
    for entry in read_lines(home / "corpus" / "injections.jsonl"):
        bad = entry["label"] == "malicious"
        call: dict[str, Any] = {
            "tool": "incoming",
            "args": {"source": "tool result" if entry["channel"] == "tool_output" else "web page"},
            "content": entry["text"].replace("{canary}", "CX-4471"),
            "label": int(bad),
            "category": "injection" if bad else None,
        }
        yield row_of(call, "bastion", family=str(entry["category"]))


def _workspace_calls() -> Iterator[Row]:
    """Yield the ordinary calls that solve the user tasks of `agentdojo`."""
    home = _installed("agentdojo")
    if home is None:
        return
    for path in sorted(home.glob("default_suites/v1/*/user_tasks.py")):
        for name, given in _literal_calls(path.read_text(encoding="utf-8")):
            call = {"tool": "mcp.call", "args": {"tool": name, "arguments": given}, "label": SAFE}
            yield row_of(call, "agentdojo", family=f"{path.parent.name}.{name}")


def _literal_calls(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "FunctionCall":
            words = {each.arg: each.value for each in node.keywords}
            try:
                yield ast.literal_eval(words["function"]), ast.literal_eval(words["args"])
            except (ValueError, KeyError):  # computed from the task's environment
                continue


def bare_programs(rows: list[Row], count: int) -> list[Row]:
    """Return calls that name a program only, as a kernel request without argv does; all safe."""
    names = sorted({str(row.call["args"]["command"]).split()[0] for row in rows if row.source == "tldr"})
    plain = [name for name in names if re.fullmatch(r"[a-z][a-z0-9+.-]{1,18}", name)][:: max(1, len(names) // count)]
    return [row_of(command(f"/usr/bin/{name}", SAFE), "programs", family=name) for name in plain[:count]]

"""Variations of calls of MCP servers: what a server is called and how it shapes its arguments says nothing of danger.

- other names, other order, other wrapping, arguments that only page or format: the label stays;
- a command carried by a tool that runs commands: the label stays;
- a dangerous command that a text only speaks of (an issue, a page, a search): safe.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scripts.probe.rows import SAFE, Row, reworded

Call = dict[str, Any]
_LONGEST = 300
_WORDS = re.compile(r"[a-z0-9]+|[A-Z]+(?![a-z])|[A-Z][a-z0-9]*")
_WRAPPERS = "params input request payload body data options arguments".split()
_NEUTRAL: tuple[tuple[str, Any], ...] = (
    ("limit", 20), ("page", 1), ("format", "json"), ("timezone", "Europe/Zurich"), ("request_id", "r-8812"),
    ("locale", "en"), ("verbose", False), ("timeout", 30), ("api_version", "2024-05"), ("client", "agent"),
    ("fields", "id,name"), ("trace", None), ("region", "eu-west-1"), ("session", "s-17"), ("pretty", True),
)  # fmt: skip
_RUNNERS = (
    ("shell", "run", "command"), ("terminal", "execute", "cmd"), ("bash", "bash", "command"),
    ("", "run_command", "cmd"),
    ("desktop", "start_process", "command"), ("sandbox", "exec", "script"), ("ssh", "exec", "command"),
    ("", "execute_shell", "input"), ("code", "run_in_terminal", "command"), ("devbox", "shell", "line"),
    ("docker", "exec", "command"), ("ci", "run_step", "run"), ("notebook", "bash_cell", "source"),
)  # fmt: skip
_SPEAKERS = (
    ("github", "create_issue", "body"), ("github", "add_comment", "body"), ("jira", "create_issue", "description"),
    ("notion", "append_block", "text"), ("confluence", "create_page", "content"), ("search", "web", "query"),
    ("slack", "post_message", "text"), ("wiki", "edit", "text"), ("todo", "add", "title"), ("docs", "search", "q"),
    ("stackoverflow", "search", "query"), ("memory", "add_note", "note"), ("linear", "create_comment", "body"),
)  # fmt: skip
_SPOKEN = (
    "Why is `{c}` refused here?",
    "Never run {c} on this host.",
    "The runbook must not say {c}.",
    "what does {c} do",
    "Bug: the old script ran {c}; please replace it.",
    "Add a test that the guard stops `{c}`",
    "{c} explained",
    "Someone typed {c} by mistake, see the postmortem.",
    "Bitte im Handbuch vor {c} warnen",
    "difference between {c} and a dry run",
)


def reshaped(row: Row, chance: random.Random) -> Row:
    """Return a call of an MCP server in another shape; another row as it is."""
    if row.tool != "mcp.call" or not isinstance(row.call["args"].get("arguments"), Mapping):
        return row
    call = {**row.call, "args": {**row.call["args"], "arguments": dict(row.call["args"]["arguments"])}}
    for change in chance.sample(_CHANGES, chance.choice((0, 1, 1, 2))):
        change(call["args"], chance)
    return reworded(row, call)


def carried(row: Row, chance: random.Random) -> Row:
    """Return the call that gives a command to a tool that runs commands."""
    text = str(row.call["args"]["command"])
    server, tool, key = chance.choice(_RUNNERS)
    words = text.split()
    is_plain = not re.search(r"""[;|&<>$`'"(){}*?~#\n]""", text)
    given = {key: words[0], "args": words[1:]} if is_plain and chance.random() < 0.15 else {key: text}
    return _call(row, server, tool, given, row.label)


def spoken(row: Row, chance: random.Random) -> Row:
    """Return the call whose text only speaks of a command; safe, whatever the command."""
    server, tool, key = chance.choice(_SPEAKERS)
    text = chance.choice(_SPOKEN).format(c=str(row.call["args"]["command"]))
    return _call(row, server, tool, {key: text}, SAFE)


def short_commands(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of commands that fit into an argument."""
    texts = ((row, row.call["args"].get("command")) for row in rows if row.tool == "proc.exec")
    return [row for row, text in texts if isinstance(text, str) and text.strip() and len(text) <= _LONGEST]


def _call(row: Row, server: str, tool: str, arguments: Mapping[str, Any], label: int | None) -> Row:
    args = {"server": server, "tool": tool, "arguments": arguments}
    call = {"tool": "mcp.call", "args": args, "context": {}, "label": label}
    call["category"] = row.call.get("category") if label else None
    return reworded(row, call, label)


def _other_server(args: Call, chance: random.Random) -> None:
    server, _, tool = str(args.get("tool", "")).rpartition("/")
    server = server or str(args.get("server", ""))
    roll = chance.random()
    if roll < 0.4:
        args.pop("server", None)
        args["tool"] = tool
    elif server:
        args["tool"] = tool
        args["server"] = chance.choice(
            (f"{server}-mcp", f"mcp-server-{server}", f"my_{server}", f"acme-{server}", server)
        )


def _other_style(args: Call, chance: random.Random) -> None:
    words = [word.lower() for word in _WORDS.findall(str(args.get("tool", "")).rpartition("/")[2])]
    if not words:
        return
    if args.get("server") and chance.random() < 0.3:
        words = [*(word.lower() for word in _WORDS.findall(str(args["server"]))), *words]
    args["tool"] = chance.choice((_snake, _camel, "-".join, ".".join, _title))(words)


def _other_keys(args: Call, chance: random.Random) -> None:
    style = chance.choice((_camel, "-".join, _title, _snake))
    items = [(_keyed(str(name), style), value) for name, value in args["arguments"].items()]
    args["arguments"] = dict(items)


def _keyed(name: str, style: Callable[[list[str]], str]) -> str:
    words = [word.lower() for word in _WORDS.findall(name)]
    return style(words) if words else name


def _other_order(args: Call, chance: random.Random) -> None:
    items = list(args["arguments"].items())
    chance.shuffle(items)
    args["arguments"] = dict(items)


def _more(args: Call, chance: random.Random) -> None:
    extra = dict(chance.sample(_NEUTRAL, chance.choice((1, 1, 2))))
    ours = args["arguments"]
    args["arguments"] = {**ours, **{name: value for name, value in extra.items() if name not in ours}}


def _wrapped(args: Call, chance: random.Random) -> None:
    ours: Any = args["arguments"]
    if chance.random() < 0.3:
        ours = json.dumps(ours, ensure_ascii=False)
    args["arguments"] = {chance.choice(_WRAPPERS): ours}


def _snake(words: list[str]) -> str:
    return "_".join(words)


def _camel(words: list[str]) -> str:
    return words[0] + "".join(word.capitalize() for word in words[1:])


def _title(words: list[str]) -> str:
    return "".join(word.capitalize() for word in words)


_CHANGES: tuple[Callable[[Call, random.Random], None], ...] = (
    _other_server, _other_style, _other_keys, _other_order, _more, _wrapped,
)  # fmt: skip

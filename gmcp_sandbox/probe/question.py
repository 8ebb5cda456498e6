"""What the probe is asked about: a live tool call or a row of an evaluation file, in one form.

Guarantees: equal calls make equal questions wherever they come from; nothing here raises on a row that is not what it
should be: what has another type is taken as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.policy.network import SERVICE_HOST
from gmcp_sandbox.probe.excerpt import kept

INCOMING = "incoming"
"""Pseudo tool: text that comes in, judged for instructions that are embedded in it."""
_OBJECTS = ("object", "path", "file", "host", "name", "domain", "hostname", "server_name", "url", "source", "program")
_CONTENT = 1 << 20
_JSON_CHARS = 1 << 18
_OWN_NAME = re.compile(rf"(?i)(?<![\w.@-]){re.escape(SERVICE_HOST)}(?![\w.@-]|:[^/\s]*@)")


class Question(msgspec.Struct, frozen=True, gc=False):
    """One call to be rendered.

    Attributes:
        tool: Name of the tool, or `incoming`.
        object: Path, host, `server/tool`, or where a text comes from.
        args: The other arguments, by name; values as they came.
        content: Text that is written, sent or read; None when there is none.
        label: Of the object; empty when it is not known.
        taint: Labels that the session has read.
        task: What the agent is to do, in one line.
        workspace: Absolute path of the working directory; empty when it is not known.
        home: Absolute path of the user's home; empty when it is not known.
        is_burst: One of many like it.
    """

    tool: str
    object: str
    args: Mapping[str, Any]
    content: str | None = None
    label: str = ""
    taint: tuple[str, ...] = ()
    task: str = ""
    workspace: str = ""
    home: str = ""
    is_burst: bool = False


class Surroundings(msgspec.Struct, frozen=True):
    """What holds for all questions of a session.

    Attributes:
        shown: Files of the home directory that the profile shows by name.
        command: What the user started, word by word; empty where nothing is.
    """

    workspace: str = ""
    home: str = ""
    task: str = ""
    shown: frozenset[str] = frozenset()
    command: tuple[str, ...] = ()


def question_of_call(
    call: ToolCall, taint: tuple[str, ...], around: Surroundings, *, is_burst: bool = False
) -> Question:
    """Return the question about a live call.

    A program start is asked about without the session's taint: what it then reads and sends is judged under it, and a
    model that is told of a secret takes every `cat` after it for theft. And without the task: a session starts many
    programs of which no line of its user's speaks, and a model that is told of it stopped one in nine of them.
    """
    args = {name: value for name, value in msgspec.structs.asdict(call.args).items() if value is not None}
    if call.tool is Tool.MCP_CALL or call.tool is Tool.MCP_PROMPT:
        args["arguments"] = _parsed(args.get("arguments"))
        args.pop("server", None)
    _say_localhost(args)
    return Question(
        call.tool.value,
        call.object,
        args,
        None if call.content is None else _text(call.content),
        call.label.name,
        () if call.tool is Tool.PROC_EXEC else taint,
        "" if call.tool is Tool.PROC_EXEC else around.task,
        around.workspace,
        around.home,
        is_burst,
    )


def question_of_row(row: Mapping[str, Any]) -> Question:
    """Return the question that a row of an evaluation file asks."""
    tool = _word(row.get("tool"))
    given = row.get("args")
    args = dict(given) if isinstance(given, Mapping) else {}
    content = args.pop("content", None)
    content = row.get("content") if content is None else content
    context = row.get("context")
    if not isinstance(context, Mapping):
        context = {}
    taint = context.get("taint")
    _say_localhost(args)
    return Question(
        tool,
        _take_object(tool, args, row),
        args,
        None if content is None else _text(content),
        _word(context.get("label")),
        tuple(_word(each) for each in (taint if isinstance(taint, list | tuple) else (taint,)) if each),
        _word(context.get("task")),
        _word(context.get("workspace")),
        _word(context.get("home")),
        bool(context.get("burst")),
    )


def _take_object(tool: str, args: dict[str, Any], row: Mapping[str, Any]) -> str:
    """Take what the call is about out of the arguments."""
    if tool.startswith("mcp."):
        return _take_mcp_object(args, row)
    for name in _OBJECTS:
        if name in args and (name != "path" or tool != "http.request"):
            return _word(args.pop(name))
    return _word(row.get("object"))


def _take_mcp_object(args: dict[str, Any], row: Mapping[str, Any]) -> str:
    server, tool = _word(args.pop("server", "")), _word(args.pop("tool", "") or args.pop("name", ""))
    args["arguments"] = _parsed(args.get("arguments", args.get("args", {})))
    args.pop("args", None)
    named = "/".join(part for part in (server, tool) if part)
    return named or _word(args.pop("object", "")) or _word(row.get("object"))


def _say_localhost(args: dict[str, Any]) -> None:
    """Name the services of this machine as everybody does: of our own name for them no model has heard."""
    argv, command = args.get("argv"), args.get("command")
    if isinstance(argv, list | tuple):
        args["argv"] = tuple(_OWN_NAME.sub("localhost", word) if isinstance(word, str) else word for word in argv)
    if isinstance(command, str):
        args["command"] = _OWN_NAME.sub("localhost", command)


def _parsed(value: Any) -> Any:
    """Return what a JSON text says; another text stands for itself."""
    if not isinstance(value, str):
        return value
    if len(value) > _JSON_CHARS:
        return kept(value, _JSON_CHARS)
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value[:_CONTENT]
    if isinstance(value, bytes):
        return value[:_CONTENT].decode("utf-8", "surrogateescape")
    try:
        return json.dumps(value, ensure_ascii=False, default=str)[:_CONTENT]
    except (ValueError, TypeError, RecursionError):
        return repr(type(value))

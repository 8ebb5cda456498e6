"""The `when` of a rule: one CEL expression over the call and the session, compiled and type-checked once.

Guarantees: an expression that compiles uses declared names only and yields true or false. What it reads is known before
it is first asked (`Condition.reads`): the expression is compiled against exactly the names that were found in its text,
so a name that was overlooked does not compile. Evaluation is bounded by the library (no recursion, a budget of
iterations), and whatever goes wrong is a `ConditionError`, never an answer.

Names that are not UTF-8 arrive with their bytes spelled as backslash escapes. What a tool's arguments do not have is
empty or zero.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.canonical import arguments_of
from gmcp_sandbox.policy.state import SessionState

Kind = Literal["text", "number", "texts", "json"]
_EMPTY: dict[str, object] = {"text": "", "number": 0, "texts": [], "json": {}}

_ARGUMENTS: dict[str, Kind] = {
    "op": "text",
    "kind": "text",
    "target": "text",
    "xattr": "text",
    "mode": "number",
    "argv": "texts",
    "cwd": "text",
    "qtype": "text",
    "port": "number",
    "address": "text",
    "protocol": "text",
    "server_name": "text",
    "method": "text",
    "path": "text",
    "headers": "texts",
    "server": "text",
    "arguments": "text",
    "what": "text",
    "uri": "text",
    "stage": "text",
    "args": "json",
}
"""Arguments of the tools, see `calls/arguments.py`; `args` is what the JSON `arguments` of an MCP call say."""
_CALL: dict[str, Kind] = {"tool": "text", "object": "text", "label": "text", "agent": "text", **_ARGUMENTS}
_PASSING: dict[str, Kind] = {"pid": "number", "size": "number"}
"""What varies between equal calls: an answer that hangs on it is good for one call only."""
_SESSION: dict[str, Kind] = {"taint": "texts", "tier": "text"}

NAMES: dict[str, Kind] = {
    **{f"call.{name}": kind for name, kind in (_CALL | _PASSING).items()},
    **{f"session.{name}": kind for name, kind in _SESSION.items()},
}
"""All names but those of a rule's own counts (`counts.<name>`, numbers)."""

_USE = re.compile(r"\b(call|session|counts)\s*\.\s*([A-Za-z_][A-Za-z0-9_]*)")
_UNKNOWN = re.compile(r"undeclared reference to '([^']+)'")
_PLACE = re.compile(r"<input>:(\d+):(\d+): (.*)")


class ConditionError(ValueError):
    """The expression has no meaning, or none for this call; the message says why and holds nothing of the agent's.

    Attributes:
        unknown: The name that is not known, where that is what is wrong.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        found = _UNKNOWN.search(message)
        self.unknown = None if found is None else found[1]


class Reads(msgspec.Struct, frozen=True):
    """What an answer hangs on, beside the call's tool, object, arguments and label.

    Attributes:
        session: Taint or tier: the answer is good for one epoch.
        passing: Counters, process or size: the answer is good for one call.
    """

    session: bool
    passing: bool


class Condition:
    """One compiled expression."""

    __slots__ = ("_eval", "_getters", "reads")

    def __init__(self, text: str, counts: tuple[str, ...] = ()) -> None:
        """Compile.

        Args:
            text: The expression.
            counts: Names of the rule's counts.

        Raises:
            ConditionError: It cannot be compiled, or yields something else than true or false.
        """
        known = NAMES | {f"counts.{name}": "number" for name in counts}
        used = {f"{top}.{name}" for top, name in _USE.findall(text)} & known.keys()
        self._eval = _compile(text, {name: known[name] for name in used})
        self._getters = {name: _getter(name, known[name]) for name in sorted(used)}
        self.reads = Reads(
            session=any(name.startswith("session.") for name in used),
            passing=any(name.startswith("counts.") or name[5:] in _PASSING for name in used),
        )

    def holds(self, call: ToolCall, state: SessionState, counts: Mapping[str, int]) -> bool:
        """Return what the expression says.

        Raises:
            ConditionError: It says nothing for this call.
        """
        values = {name: get(call, state, counts) for name, get in self._getters.items()}
        try:
            answer = self._eval(data=values).value()
        except Exception as fault:
            raise ConditionError("the condition could not be evaluated") from fault
        if answer is not True and answer is not False:
            raise ConditionError("the condition could not be evaluated")
        return answer


def _compile(text: str, names: Mapping[str, Kind]) -> Callable[..., Any]:
    try:
        from cel_expr_python import cel
    except ImportError as fault:
        raise ConditionError("`when` needs the package cel-expr-python, which is not installed") from fault
    types = {"text": cel.Type.STRING, "number": cel.Type.INT, "texts": cel.Type.List(cel.Type.STRING)}
    types["json"] = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    try:
        compiled = cel.NewEnv(variables={name: types[kind] for name, kind in names.items()}).compile(text)
    except Exception as fault:  # noqa: BLE001 - the library has no class of its own for wrong expressions
        raise ConditionError(_plain(str(fault))) from None
    if compiled.return_type() != cel.Type.BOOL:
        raise ConditionError(f"yields {compiled.return_type().name().lower()}, not true or false")
    evaluate: Callable[..., Any] = compiled.eval
    return evaluate


def _plain(message: str) -> str:
    """Return the first complaint of the compiler in one line."""
    found = _PLACE.search(message)
    if found is None:
        return message.splitlines()[0][:200] if message else "cannot be compiled"
    line, column, what = found.groups()
    what = re.sub(r" \(in container ''\)", "", what)[:200]
    return f"line {line}, column {column}: {what}" if line != "1" else f"column {column}: {what}"


def _getter(name: str, kind: Kind) -> Callable[[ToolCall, SessionState, Mapping[str, int]], object]:
    top, _, field = name.partition(".")
    if top == "counts":
        return lambda _call, _state, counts: counts[field]
    if top == "session":
        return _SESSION_GETTERS[field]
    if kind == "json":
        return lambda call, _state, _counts: _arguments_in(call)
    if field in _CALL_GETTERS:
        get = _CALL_GETTERS[field]
        return lambda call, _state, _counts: get(call)
    return lambda call, _state, _counts: _argument(call, field, kind)


_SESSION_GETTERS: dict[str, Callable[[ToolCall, SessionState, Mapping[str, int]], object]] = {
    "taint": lambda _call, state, _counts: list(state.taint_names),
    "tier": lambda _call, state, _counts: state.tier.name.lower(),
}
_CALL_GETTERS: dict[str, Callable[[ToolCall], object]] = {
    "tool": lambda call: call.tool.value,
    "object": lambda call: _spelled(call.object),
    "label": lambda call: call.label.name,
    "agent": lambda call: _spelled(call.agent),
    "pid": lambda call: call.pid,
    "size": lambda call: call.extent[1] if call.extent is not None else len(call.content or b""),
}


def _argument(call: ToolCall, field: str, kind: Kind) -> object:
    value = getattr(call.args, field, None)
    if value is None:
        return _EMPTY[kind]
    if kind == "texts":
        return [_spelled(word) for word in value]
    return _spelled(value) if kind == "text" else value


def _arguments_in(call: ToolCall) -> object:
    """Return the JSON object in an MCP call, for other calls an empty one."""
    text = getattr(call.args, "arguments", None)
    return arguments_of(text) if isinstance(text, str) else {}


def _spelled(text: str) -> str:
    """Return text that can be UTF-8: bytes that were none (PEP 383) as `\\xff`."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")

"""`decide`: judge one tool call under a profile without running anything.

The answer is the one that a fresh session would give: same view, labels and layers, nothing read yet (unless `--taint`
says so), rate buckets full. Symbolic links are not followed: the path is taken as that of the object itself.

Ends with 0 for allow, 1 for deny (an ask, which nobody could answer, included), 2 for a question that has no meaning.
"""

from __future__ import annotations

import argparse
import json
import os
import posixpath
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gmcp_sandbox.calls.arguments import ARGUMENTS, Arguments, FsCreate, FsRename
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.canonical import CanonicalError, canonical, parse_object
from gmcp_sandbox.calls.labels import BUILTIN, NETWORK, TAINTS, TOOL, Label, highest, is_taint
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Outcome
from gmcp_sandbox.cli.pinnedtools import learn_pinned
from gmcp_sandbox.cli.terminal import Painter, columns, visible
from gmcp_sandbox.errors import ProfileError, UsageError
from gmcp_sandbox.monitor.choosing import choose
from gmcp_sandbox.monitor.resolve import resolve_view
from gmcp_sandbox.monitor.semantics import model_directory, open_gate, surroundings
from gmcp_sandbox.pipeline.cache import Judgement
from gmcp_sandbox.pipeline.pipeline import Pipeline
from gmcp_sandbox.policy.fields import suggest
from gmcp_sandbox.policy.labelling import Labeller
from gmcp_sandbox.policy.state import SessionState

if TYPE_CHECKING:
    from gmcp_sandbox.cli.main import Subparsers

_USUAL: dict[Tool, dict[str, str]] = {
    Tool.FS_STAT: {"op": "getattr"},
    Tool.FS_LIST: {"op": "opendir"},
    Tool.FS_READ: {"op": "open"},
    Tool.FS_WRITE: {"op": "open"},
    Tool.FS_CREATE: {"kind": "file"},
    Tool.FS_DELETE: {"kind": "file"},
    Tool.FS_SETATTR: {"op": "chmod"},
    Tool.DNS_RESOLVE: {"qtype": "A"},
    Tool.NET_CONNECT: {"port": "443"},
    Tool.NET_SEND: {"protocol": "udp"},
    Tool.TLS_HELLO: {"port": "443"},
    Tool.HTTP_REQUEST: {"method": "GET", "path": "/", "port": "80"},
    Tool.MCP_CALL: {"arguments": "{}"},
    Tool.MCP_LIST: {"what": "tools"},
    Tool.MCP_PROMPT: {"arguments": "{}"},
    Tool.MCP_SAMPLE: {"stage": "request"},
    Tool.MCP_ELICIT: {"stage": "request"},
    Tool.MCP_ROOTS: {"stage": "request"},
    Tool.MCP_LOG: {"op": "message"},
}
"""Arguments that a question may leave out."""
_LISTS = frozenset({"argv", "headers"})
_COLOURS = {Outcome.ALLOW: "green", Outcome.DENY: "red", Outcome.ASK: "yellow"}


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "decide",
        help="judge one tool call without running anything",
        description="Judge one tool call under a profile. Ends with 0 for allow, 1 for deny, 2 for a wrong question.",
        epilog="Example: gmcp-sandbox decide -p default fs.read path=~/.ssh/id_rsa\n"
        "Keys: path=, host= or object= name the object, label= overrides its label, content= gives bytes to be\n"
        "written; the others are the tool's arguments (see `gmcp-sandbox tools --schema`); repeat argv= for each word.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-p", "--profile", help="name or file of the profile (default: as for exec)")
    parser.add_argument("-w", "--workspace", metavar="DIR", default=".", help="the workspace (default: this directory)")
    parser.add_argument("--taint", metavar="LABEL", action="append", default=[], help="what the session has read")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("tool", metavar="TOOL", help="for example fs.read; see `gmcp-sandbox tools`")
    parser.add_argument("pairs", metavar="KEY=VALUE", nargs="*")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Judge, print, and return the status.

    Raises:
        UsageError: The question has no meaning.
        ProfileError: The profile has none; here that is a usage error, too.
    """
    tool = _tool(args.tool)
    workspace, home = Path(args.workspace).resolve(), Path.home()
    try:
        profile = choose(args.profile, workspace=workspace, environ=os.environ).load(workspace=workspace, home=home)
    except ProfileError as error:
        error.exit_code = UsageError.exit_code
        raise
    view = resolve_view(profile, workspace=workspace, home=home, environ=os.environ)
    labeller = Labeller(view.mounts, (*profile.path_rules, *view.path_rules), view.symlinks)
    call = build_call(tool, args.pairs, labeller, workspace=str(workspace), home=str(home))
    state = SessionState(profile.tier, frozenset(map(_taint, args.taint)))
    learn_pinned(state, profile)
    around = surroundings(profile, str(workspace), str(home))
    gate = open_gate(model_directory(), profile, around, environ=os.environ, warn=_warn)
    judgement = judged(Pipeline(profile, gate), call, state)
    print(
        _as_json(call, judgement) if args.json else "\n".join(render(call, judgement, Painter(sys.stdout, args.color)))
    )
    return 0 if judgement.outcome is Outcome.ALLOW else 1


def judged(pipeline: Pipeline, call: ToolCall, state: SessionState) -> Judgement:
    """Return what all layers say, the gate included."""
    judgement = pipeline.judge(call, state)
    gate = pipeline.gate
    if gate is None or not judgement.needs_probe:
        return judgement
    return pipeline.resume(call, state, judgement, gate.judge(call, state))


def _warn(remark: str) -> None:
    print(f"warning: {remark}", file=sys.stderr)


def build_call(tool: Tool, pairs: list[str], labeller: Labeller, *, workspace: str, home: str) -> ToolCall:
    """Return the call that the words of the command line describe.

    Raises:
        UsageError: A key is unknown, missing or has a value of the wrong kind.
    """
    values = _parse(tool, pairs)
    is_file = tool.startswith(("fs.", "proc."))
    object = _take_object(tool, values, is_file)
    label = values.pop("label", None)
    content = values.pop("content", None)
    if is_file:
        object = _absolute(object, workspace, home)
        if "target" in values and values.get("kind") != "symlink":
            values["target"] = _absolute(str(values["target"]), workspace, home)
    args = _arguments(tool, object, values)
    return ToolCall(
        seq=1,
        at_ns=time.time_ns(),
        session="decide",
        agent="decide",
        pid=0,
        tool=tool,
        object=object,
        args=args,
        label=_label(str(label)) if label is not None else _label_of(tool, object, args, labeller),
        content=None if content is None else os.fsencode(str(content)),
    )


def _parse(tool: Tool, pairs: list[str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"{visible(pair)!r} is not KEY=VALUE", hint="gmcp-sandbox decide --help")
        if key in _LISTS:
            words = values.setdefault(key, [])
            assert isinstance(words, list)
            words.append(value)
        elif key in values:
            raise UsageError(f"{visible(key)} is given twice")
        else:
            values[key] = value
    return {**_USUAL.get(tool, {}), **values}


def _take_object(tool: Tool, values: dict[str, object], is_file: bool) -> str:
    own = "path" if is_file else "host"
    for key in ("object", own):
        if key in values:
            return str(values.pop(key))
    wanted = "object" if tool.startswith("mcp.") else own
    raise UsageError(f"{tool} needs {wanted}=…", hint="gmcp-sandbox decide --help")


def _absolute(path: str, workspace: str, home: str) -> str:
    if path == "~" or path.startswith("~/"):
        path = home + path[1:]
    return "/" + posixpath.normpath(posixpath.join(workspace, path)).lstrip("/")


def _arguments(tool: Tool, object: str, values: dict[str, object]) -> Arguments:
    kind = ARGUMENTS[tool]
    known = {field.name for field in msgspec.structs.fields(kind)}
    if "server" in known:
        values.setdefault("server", object.partition("/")[0])
    if "arguments" in known:
        values["arguments"] = _canonical(str(values.get("arguments", "{}")))
    if "mode" in values:
        values["mode"] = _octal(str(values["mode"]))
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        cause = str(error).replace("Object ", "")
        raise UsageError(
            f"wrong arguments for {tool}: {cause}",
            hint=f"{tool} knows {', '.join(sorted(known)) or 'no arguments'}; gmcp-sandbox tools --schema {tool}",
        ) from None


def _canonical(text: str) -> str:
    try:
        return canonical(parse_object(text))
    except CanonicalError as error:
        raise UsageError(f"arguments= is no JSON object: {error}") from None


def _octal(text: str) -> int:
    try:
        return int(text, 8)
    except ValueError:
        raise UsageError(f"mode={visible(text)} is no octal number") from None


def _label_of(tool: Tool, object: str, args: Arguments, labeller: Labeller) -> Label:
    if tool.startswith("mcp."):
        return TOOL
    if not tool.startswith(("fs.", "proc.")):
        return NETWORK
    if isinstance(args, FsCreate) and args.kind == "symlink":
        return labeller.of_link(object)
    if isinstance(args, FsRename | FsCreate) and args.target is not None:
        return highest(labeller.of(object), labeller.of(args.target))
    return labeller.of(object)


def _tool(name: str) -> Tool:
    try:
        return Tool(name)
    except ValueError:
        raise UsageError(f"there is no tool {visible(name)!r}", hint=suggest(name, Tool)) from None


def _label(name: str) -> Label:
    if name not in BUILTIN:
        raise UsageError(f"there is no label {visible(name)!r}", hint=f"one of {', '.join(BUILTIN)}")
    return BUILTIN[name]


def _taint(name: str) -> str:
    if not is_taint(name):
        raise UsageError(f"there is no taint {visible(name)!r}", hint=f"one of {', '.join(TAINTS)}")
    return name


def _word(outcome: Outcome) -> str:
    """Return the outcome as people see it: a denial stands out without colour, too."""
    return "DENY" if outcome is Outcome.DENY else outcome.value


def render(call: ToolCall, judgement: Judgement, painter: Painter) -> list[str]:
    """Return one line a verdict, and the decision last."""
    rows = [
        (each.layer.value, _word(each.outcome), f"{each.reason}  {visible(each.detail)}".rstrip())
        for each in judgement.verdicts
    ]
    final = Outcome.ALLOW if judgement.outcome is Outcome.ALLOW else Outcome.DENY
    decision = painter.paint(_word(final), _COLOURS[final])
    ending = " (an approver would be asked)" if judgement.outcome is Outcome.ASK else ""
    return [*columns(rows), f"{decision} {call.tool} {visible(call.object)} [{call.label.name}]{ending}"]


def _as_json(call: ToolCall, judgement: Judgement) -> str:
    return json.dumps(
        {
            "outcome": "allow" if judgement.outcome is Outcome.ALLOW else "deny",
            "tool": call.tool.value,
            "object": call.object,
            "args": msgspec.to_builtins(call.args),
            "label": call.label.name,
            "verdicts": [msgspec.to_builtins(verdict) for verdict in judgement.verdicts],
        }
    )

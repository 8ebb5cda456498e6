"""A tool call as one short line of text, for the model.

    run: rm -rf ~/.config
    write file ./.github/workflows/ci.yml (watched) after reading secret: on: push ; jobs: …
    call tool github/delete repository: owner "acme", repo "site"

Guarantees: pure and deterministic; never raises, whatever the call; at most `BODY` word pieces as `excerpt.cost` counts
and `CHARS` characters; no control or unseen character and no credential of a known shape in it. The same question from
a live call and from a row of an evaluation file gives the same line.

Invariant: any change of what comes out raises `rendering.VERSION`; a model is only used with the rendering that it was
trained with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.probe.excerpt import cost, excerpt, head, kept
from gmcp_sandbox.probe.flatten import LOOKED_AT, flat, spaced
from gmcp_sandbox.probe.names import true_name
from gmcp_sandbox.probe.places import fold_path, fold_places, fold_programs, place_class
from gmcp_sandbox.probe.question import INCOMING, Question, Surroundings, question_of_call, question_of_row
from gmcp_sandbox.probe.rendering import VERSION
from gmcp_sandbox.probe.reveal import decoded_parts, fold_blobs, mask_secrets, show_unseen
from gmcp_sandbox.probe.shell import fold_argv, fold_command, mark_capitals

__all__ = ["BODY", "CHARS", "VERSION", "content_free", "render", "render_call", "render_row", "said_and_payload"]

BODY = 84
"""Word pieces of a line, about; the model's template adds a few."""
CHARS = 1200
_OPENING = 56
_OBJECT = 28
_TASK = 12
_DECODED = 24
_CHARS_OF_CONTENT = 4096
_FIRST = 4 * BODY
"""A content of more characters is cut to so many word pieces before it is folded, and to its share after."""
_SPACES = re.compile(r"[ \t\f\v]*[\r\n]+\s*")
_BLANKS = re.compile(r" *\t[ \t]*| {2,}")
Said = tuple[str, str]
"""What is asked, and what comes with it."""
_USUAL_LABELS = {"proc.exec": "system", "dns.resolve": "network", "net.connect": "network", "net.send": "network"} | {
    "tls.hello": "network",
    "http.request": "network",
    "mcp.call": "tool",
    "mcp.list": "tool",
    "mcp.read": "tool",
    "mcp.prompt": "tool",
}
"""Labels that say nothing, because the object can have no other or mostly has this one."""
_USUAL_TAINTS = frozenset({"private", "watched", "workspace", "system", "scratch"})
"""Taints that say nothing: every session that starts git has read a dotfile."""


def render_row(row: Mapping[str, Any]) -> str:
    """Return the line for a row of an evaluation file."""
    return render(question_of_row(row))


def render_call(call: ToolCall, taint: tuple[str, ...], around: Surroundings, *, is_burst: bool = False) -> str:
    """Return the line for a live call."""
    return render(question_of_call(call, taint, around, is_burst=is_burst))


def render(question: Question) -> str:
    """Return the line for a question."""
    opening, payload = _spoken(question)
    line = f"{opening}: {_fitted(payload, BODY - cost(opening) - 1)}" if payload else opening
    return head(line[:CHARS], BODY)


def said_and_payload(question: Question) -> tuple[str, str]:
    """Return how the line for a question begins, and all that comes with it on one line, of whatever length."""
    opening, payload = _spoken(question)
    return opening, _tidy(payload)


def _spoken(question: Question) -> Said:
    said, payload = _SAY.get(question.tool, _other)(question)
    return head(_tidy(said) + _context(question), _OPENING), payload


def content_free(tool: str) -> list[str]:
    """Return lines of calls of this tool that say nothing, to measure what the model answers to the form alone."""
    empty = Question(tool, "", {}, "" if tool.startswith("fs.") or tool == INCOMING else None)
    fillers = ("", "N/A", "x", "…", "something")
    lines = [render(Question(tool, filler, _filled(tool, filler), empty.content)) for filler in fillers]
    return list(dict.fromkeys(lines))


def _filled(tool: str, filler: str) -> dict[str, Any]:
    if tool == Tool.PROC_EXEC:
        return {"command": filler}
    return {"arguments": {"value": filler} if filler else {}} if tool == Tool.MCP_CALL else {}


# ------------------------------------------------------------------------------------------------------- the whole line


def _context(question: Question) -> str:
    """Return label, taint and task, as far as they say something."""
    label = question.label
    parts = f" ({_tidy(label)[:24]})" if label and label != _USUAL_LABELS.get(question.tool) else ""
    telling = sorted(set(question.taint) - _USUAL_TAINTS)
    if telling:
        parts += " after reading " + head(_tidy(" and ".join(telling[:4])), _TASK)
    if question.task:
        parts += f' for task "{head(_tidy(question.task[:400]), _TASK)}"'
    return parts


def _fitted(payload: str, room: int) -> str:
    """Return a payload within its room: what is decoded from it has its own share."""
    decoded = [part for part in decoded_parts(payload[:LOOKED_AT]) if part.strip()]
    if not decoded:
        return excerpt(_tidy(payload), room)
    hidden = excerpt(
        _tidy(mark_capitals(fold_programs(fold_places(" ; ".join(dict.fromkeys(decoded)))))), min(_DECODED, room // 2)
    )
    return f"{excerpt(_tidy(payload), room - cost(hidden) - 2)} decoded: {hidden}"


def _tidy(text: str) -> str:
    """Return the text on one line, with nothing unseen, secret or endless in it."""
    shown = show_unseen(mask_secrets(text))
    if "\n" in shown or "\r" in shown:
        shown = _SPACES.sub(" ; ", shown.strip())
    return _BLANKS.sub(" ", fold_blobs(shown)).strip()


def _place(question: Question, path: str) -> str:
    if question.is_burst:
        return place_class(path, question.workspace, question.home)
    return head(_tidy(fold_path(path[:4096], question.workspace, question.home)), _OBJECT)


def _text(question: Question, text: str) -> str:
    return fold_places(text, question.workspace, question.home)


# ---------------------------------------------------------------------------------------------------- one for each tool


def _exec(question: Question) -> Said:
    args = question.args
    argv, command = args.get("argv"), args.get("command")
    if isinstance(argv, list | tuple) and argv:
        words = [word if isinstance(word, str) else str(word) for word in argv]
        folded = fold_argv(_bounded(words))
    elif command or not question.object:
        folded = fold_command(kept(str(command or ""), LOOKED_AT))
    else:
        return f"run program {fold_programs(_place(question, question.object))}", ""
    said = "run"
    if _is_disguised(question, folded):
        said = f"run program {_place(question, question.object)} as"
    elif isinstance(argv, list | tuple) and argv and question.label == "system":
        called = true_name(question.object, str(argv[0]))
        said += f" {head(_tidy(called), 8)} as" if called else ""
    return said + _directory(question), mark_capitals(fold_programs(_text(question, folded)))


def _bounded(words: list[str]) -> Iterator[str]:
    """Yield words up to a limit; of what is behind it, its telling places and its end."""
    room = LOOKED_AT
    for index, word in enumerate(words):
        if len(word) >= room:
            yield kept(word, room)
            rest = " ".join(words[index + 1 :])
            if rest:
                yield kept(rest, _FIRST * 6)
            return
        yield word
        room -= len(word) + 1


def _is_disguised(question: Question, folded: str) -> bool:
    """True when a program outside of the system runs under a name that does not say where it is."""
    path = question.object
    if not path or question.label in ("", "system"):
        return False
    return fold_path(path[:4096], question.workspace, question.home) not in _text(question, folded[:1024])


def _directory(question: Question) -> str:
    """Return where a command runs, when that is not in the workspace."""
    cwd = question.args.get("cwd")
    if not isinstance(cwd, str) or not cwd:
        return ""
    place = fold_path(cwd[:4096], question.workspace, question.home)
    is_usual = not place.startswith(("/", "~", "..")) or place.startswith(("/tmp/", "/var/tmp/")) or place == "/tmp"
    is_hidden = any(part.startswith(".") for part in place.split("/") if part != ".")
    return "" if is_usual and not is_hidden else f" in {head(_tidy(place), 8)}"


def _file(verb: str, kind: str = "") -> Callable[[Question], Said]:
    def say(question: Question) -> Said:
        if question.is_burst:
            return f"{verb} many files in {_place(question, question.object)}", ""
        named = f"{verb} {kind}{_place(question, question.object)}"
        return named, "" if question.content is None else _written(question)

    return say


def _written(question: Question) -> str:
    """Return a content that is read or written; bytes that are no text are named."""
    content = question.content or ""
    if "\0" in content[:4096]:
        kind = "program" if content.startswith("\x7fELF") else "data"
        return f"binary {kind}"
    return _text(question, excerpt(content, _FIRST) if len(content) > _CHARS_OF_CONTENT else content)


def _write(question: Question) -> Said:
    args = question.args
    verb = "append to" if args.get("append") else "truncate" if args.get("op") == "truncate" else "write"
    return _file(verb, "file ")(question)


def _delete(question: Question) -> Said:
    kind = "directory " if question.args.get("kind") in ("dir", "directory") else "file "
    return _file("delete", kind)(question)


def _create(question: Question) -> Said:
    args = question.args
    named = f"create {_tidy(str(args.get('kind', 'file')))[:12]} {_place(question, question.object)}"
    if args.get("target"):
        named += f" to {_place(question, str(args['target']))}"
    return named + _mode(args, usual=0o1000), question.content or ""


def _rename(question: Question) -> Said:
    target = question.args.get("target") or question.args.get("to") or question.args.get("dst") or ""
    many = "many files in " if question.is_burst else ""
    replaces = " over" if question.args.get("replaces") else " to"
    return f"rename {many}{_place(question, question.object)}{replaces} {_place(question, str(target))}", ""


def _setattr(question: Question) -> Said:
    args = question.args
    what = _tidy(str(args.get("op") or ("chmod" if "mode" in args else "chown" if "uid" in args else "setattr")))[:16]
    named = f"{what} {_place(question, question.object)}{_mode(args, usual=-1)}"
    for name in ("uid", "gid", "owner", "group", "xattr"):
        if args.get(name) is not None:
            named += f" {name} {_tidy(str(args[name]))[:48]}"
    return named, ""


def _mode(args: Mapping[str, Any], usual: int) -> str:
    """Return the mode, when it is given and not the usual one."""
    mode = args.get("mode")
    if mode is None or (isinstance(mode, int) and mode < usual):
        return ""
    return f" mode {mode:o}" if isinstance(mode, int) else f" mode {_tidy(str(mode))[:16]}"


def _resolve(question: Question) -> Said:
    kind = str(question.args.get("qtype") or question.args.get("type") or "A")[:8]
    return f"look up name {_host(question)}" + ("" if kind in ("A", "AAAA") else f" type {_tidy(kind)}"), ""


def _connect(question: Question) -> Said:
    return f"connect to {_host(question)}{_port(question)}", ""


def _send(question: Question) -> Said:
    protocol = _tidy(str(question.args.get("protocol") or "udp"))[:8]
    return f"send {protocol} to {_host(question)}{_port(question)}", _written(question) if question.content else ""


def _hello(question: Question) -> Said:
    return f"open tls to {_host(question)}{_port(question)}", ""


def _http(question: Question) -> Said:
    args = question.args
    method = _tidy(str(args.get("method") or "GET"))[:12].upper()
    path = str(args.get("path") or "")[:4096]
    body = question.content if question.content is not None else args.get("body") or args.get("data")
    named = f"http {method} {_host(question)}{_port(question, (80, 443))}"
    address = head(_tidy(path), _OBJECT) if path and path != "/" else ""
    hidden = " ".join(decoded_parts(path)[:2])
    said = " ".join(part for part in (hidden, "" if body is None else flat(body)) if part)
    return named + address, said


def _host(question: Question) -> str:
    return head(_tidy(question.object[:512]), _OBJECT)


def _port(question: Question, usual: tuple[int, ...] = ()) -> str:
    port = question.args.get("port")
    return "" if port is None or port in usual else f" port {_tidy(str(port))[:8]}"


def _mcp(words: str) -> Callable[[Question], Said]:
    def say(question: Question) -> Said:
        name = spaced(head(_tidy(question.object[:512]), _OBJECT))
        arguments = question.args.get("arguments")
        given = _text(question, flat(arguments)) if arguments not in (None, {}, "") else ""
        more = question.args.get("uri") or question.args.get("what") or ""
        return f"{words} {name}", " ".join(part for part in (_text(question, str(more)), given) if part)

    return say


def _incoming(question: Question) -> Said:
    source = head(spaced(_tidy(question.object[:200])), _TASK) or "text"
    return f"read {source}", _written(question)


def _other(question: Question) -> Said:
    named = f"{spaced(_tidy(question.tool[:64]))} {_place(question, question.object)}".strip()
    said = " ".join(part for part in (flat(question.args) if question.args else "", question.content or "") if part)
    return named, said


_SAY: dict[str, Callable[[Question], Said]] = {
    Tool.PROC_EXEC.value: _exec,
    Tool.FS_STAT.value: _file("look at"),
    Tool.FS_LIST.value: _file("list", "directory "),
    Tool.FS_READ.value: _file("read", "file "),
    Tool.FS_WRITE.value: _write,
    Tool.FS_CREATE.value: _create,
    Tool.FS_DELETE.value: _delete,
    Tool.FS_RENAME.value: _rename,
    Tool.FS_SETATTR.value: _setattr,
    Tool.DNS_RESOLVE.value: _resolve,
    Tool.NET_CONNECT.value: _connect,
    Tool.NET_SEND.value: _send,
    Tool.TLS_HELLO.value: _hello,
    Tool.HTTP_REQUEST.value: _http,
    Tool.MCP_CALL.value: _mcp("call tool"),
    Tool.MCP_LIST.value: _mcp("list tools of"),
    Tool.MCP_READ.value: _mcp("read resource of"),
    Tool.MCP_PROMPT.value: _mcp("get prompt"),
    INCOMING: _incoming,
}

"""How people and programs reach a running session: its control socket, and questions on the user's terminal."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import msgspec
import trio

from gmcp_sandbox.errors import HostError, UsageError
from gmcp_sandbox.monitor import control
from gmcp_sandbox.monitor.approvals import Approvals, Question
from gmcp_sandbox.proc.channel import MAX_BYTES

if TYPE_CHECKING:
    import socket

    from gmcp_sandbox.audit.encode import JSON
    from gmcp_sandbox.cli.controlled import Controlled
    from gmcp_sandbox.monitor.statedir import SessionDir
    from gmcp_sandbox.proc.channel import Channel

_WIDTHS = (1000, 200, 30)
"""Characters of a word that a question on the terminal shows, the first that fits; a longer pattern is not offered."""
_ROOM = MAX_BYTES - 4096


def open_control(session: SessionDir) -> socket.socket:
    """Make the control socket of a session.

    Raises:
        HostError: It cannot be made.
    """
    directory = session.open()
    try:
        return control.listen(directory)
    except OSError as error:
        what = f"cannot make the control socket in {session.path}"
        raise HostError(what, cause=error.strerror or str(error)) from error
    finally:
        os.close(directory)


async def serve_control(sock: socket.socket, approvals: Approvals, controlled: Controlled) -> None:
    """Serve the control socket until cancelled."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(controlled.sample)
        await control.serve(sock, approvals, controlled)


class TerminalQuestions:
    """Shows open questions on the user's terminal, through the front, and takes the answers that come from there."""

    def __init__(self, approvals: Approvals, front: Channel, session: str) -> None:
        self._approvals = approvals
        self._front = front
        self._session = session
        self._shown: set[int] = set()
        approvals.watch(self._compare)

    def _compare(self) -> None:
        """Tell the front of questions that are new or over, without waiting: what does not go now goes later."""
        pending = {question.id: question for question in self._approvals.pending()}
        for number in sorted(pending.keys() - self._shown):
            if self._front.offer("ask", question={**_brief(pending[number]), "session": self._session}):
                self._shown.add(number)
        for number in sorted(self._shown - pending.keys()):
            self._front.offer("ask_over", id=number)
            self._shown.discard(number)

    def take(self, message: dict[str, JSON]) -> None:
        """Take an answer of the front; one that comes too late changes nothing."""
        pattern = message.get("pattern")
        try:
            self._approvals.answer(
                int(message["id"]),
                allow=message["allow"] is True,
                by="the terminal",
                pattern=pattern if isinstance(pattern, str) else None,
            )
        except UsageError:
            pass


def _brief(question: Question) -> dict[str, JSON]:
    """Return a question that fits into one message, however its characters are escaped there."""
    briefs = (_cut_to(width, question) for width in _WIDTHS)
    return next((brief for brief in briefs if len(json.dumps(brief)) <= _ROOM), _cut_to(_WIDTHS[-1], question))


def _cut_to(width: int, question: Question) -> dict[str, JSON]:
    data: dict[str, JSON] = msgspec.to_builtins(question)
    data["object"] = _cut(question.object, width)
    data["arguments"] = {key: _cut(value, width) for key, value in question.arguments.items()}
    data["reasons"] = [[_cut(word, width) for word in reason] for reason in question.reasons]
    data["patterns"] = [pattern for pattern in question.patterns if len(pattern) <= width][:2]
    return data


def _cut(value: JSON, width: int) -> JSON:
    if isinstance(value, str):
        return value if len(value) <= width else f"{value[: width // 2]}…{value[-width // 2 :]}"  # the end says most
    if isinstance(value, list | tuple):
        words = [_cut(word, width) for word in value[:16]]
        return words if len(value) <= 16 else [*words, "…"]
    return value

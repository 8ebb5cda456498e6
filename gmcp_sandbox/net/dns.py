"""The agent's name server, at every address: each question is a tool call, each answer a fake address.

Nothing is asked of the host's resolver here: a name is resolved when a connect to it was allowed. So a name alone
carries nothing out of the sandbox.

- An allowed name has its fake addresses (A, AAAA), an allowed fake address its name (PTR). Whatever else is asked of an
  allowed name, HTTPS and SVCB among it, has the empty answer: the name exists and has no such data.
- A denied name does not exist, which every program understands at once and none tries again.
- The answer goes out after its decision is recorded. Answers are remembered, decisions are not: every question is a
  call.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gmcp_sandbox.calls.arguments import DnsResolve
from gmcp_sandbox.calls.labels import NETWORK
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.monitor.mediator import PromptMediator
from gmcp_sandbox.net.dnswire import (
    AAAA,
    NO_SUCH_NAME,
    PTR,
    SERVER_FAILURE,
    A,
    Question,
    QuestionError,
    asked_address,
    read_question,
    write_answer,
    write_failure,
    write_name,
    write_refusal,
)
from gmcp_sandbox.net.names import FakeNames
from gmcp_sandbox.net.types import Endpoint
from gmcp_sandbox.policy.addresses import canonical

_REMEMBERED: Final = 1024
_LONGEST_REMEMBERED: Final = 512


class _Known(msgspec.Struct, frozen=True):
    """A message that was read before, without its identifier."""

    question: Question
    object: str
    arguments: DnsResolve
    refusal: bytes


class NameServer:
    """Answers the questions of one session. A `DatagramService`; TCP uses the same answers."""

    def __init__(self, mediator: PromptMediator, names: FakeNames) -> None:
        self._mediator = mediator
        self._names = names
        self._known: dict[bytes, _Known] = {}
        self._answers: dict[bytes, bytes] = {}

    async def answer(self, payload: bytes, source: Endpoint, destination: Endpoint) -> bytes | None:
        """Return the answer to a message; None when it is no question.

        Raises:
            AuditError: The decision could not be recorded.
        """
        body = payload[2:]
        known = self._known.get(body)
        if known is None:
            try:
                known = self._read(payload)
            except QuestionError as error:
                return None if error.code is None else write_failure(payload, error.code)
        call = self._mediator.call(Tool.DNS_RESOLVE, known.object, known.arguments, label=NETWORK)
        decision = await self._mediator.mediate(call)
        if not decision.is_allowed:
            return payload[:2] + known.refusal
        return payload[:2] + (self._answers.get(body) or self._allowed(body, known))

    def _read(self, payload: bytes) -> _Known:
        question = read_question(payload)
        known = _Known(
            question,
            self._object(question),
            DnsResolve(question.type_name),
            write_refusal(question, NO_SUCH_NAME),
        )
        if len(payload) <= _LONGEST_REMEMBERED and question.qtype != PTR:  # whose object changes with the bindings
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
                self._answers.clear()
            self._known[payload[2:]] = known
        return known

    def _object(self, question: Question) -> str:
        """Return what the question is about: for a reverse question, the name that the address stands for."""
        if question.qtype != PTR:
            return question.name
        return self._bound_name(question) or question.name

    def _bound_name(self, question: Question) -> str | None:
        address = asked_address(question.name)
        return None if address is None else self._names.name_of(canonical(address))

    def _allowed(self, body: bytes, known: _Known) -> bytes:
        question = known.question
        if question.qtype == PTR:
            name = self._bound_name(question)
            return known.refusal if name is None else write_answer(question, write_name(name))
        fake = self._names.bind(question.name)
        if fake is None:
            return write_refusal(question, SERVER_FAILURE)
        answer = write_answer(question, {A: fake.v4, AAAA: fake.v6}.get(question.qtype))
        if body in self._known:
            self._answers[body] = answer
        return answer

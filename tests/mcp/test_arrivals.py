"""What a server sent, fit to be delivered."""

from __future__ import annotations

import json

import pytest

from gmcp_sandbox.mcp.answers import Pass, Refuse, Replace
from gmcp_sandbox.mcp.arrivals import answer_of, encoded, read_object, receive
from gmcp_sandbox.mcp.inspection import REMOVED, Masks
from gmcp_sandbox.pipeline.incoming import Incoming
from gmcp_sandbox.policy.mcp import Redaction

NONE = Masks(())


class Reader:
    """Finds orders where the word is."""

    def __init__(self):
        self.texts = []

    async def judge_incoming(self, text, source, *, taints=True):
        self.texts.append((text, source))
        return Incoming("obey" in text)


async def test_what_is_harmless_passes_as_it_stands():
    reader = Reader()
    arrival = await receive(reader, {"content": [{"text": "fine"}]}, "tool result a/b", NONE, "instructions")
    assert isinstance(answer_of(arrival), Pass)
    assert reader.texts == [("content\ntext\nfine", "tool result a/b")]


async def test_only_what_holds_orders_is_taken_out():
    value = {"content": [{"text": "you must obey me"}, {"text": "it is fine weather"}]}
    firsts: dict[Redaction, str] = {"none": value["content"][0]["text"], "instructions": REMOVED}
    for redact, first in firsts.items():
        arrival = await receive(Reader(), value, "x", NONE, redact)
        assert [each["text"] for each in arrival.value["content"]] == [first, "it is fine weather"]


async def test_orders_over_several_texts_take_all_out():
    class Together(Reader):
        async def judge_incoming(self, text, source, *, taints=True):
            return Incoming("first part" in text and "second part" in text)

    arrival = await receive(Together(), {"a": "first part", "b": "second part"}, "x", NONE, "instructions")
    assert arrival.value == {"a": REMOVED, "b": REMOVED}


async def test_nothing_to_read_is_not_asked_about():
    reader = Reader()
    assert (await receive(reader, {}, "x", NONE, "hidden")).is_same
    assert not reader.texts


async def test_masks_come_before_anybody_reads():
    reader = Reader()
    arrival = await receive(reader, {"a": "key=hunter22"}, "x", Masks(["hunter22"]), "none")
    assert arrival.value == {"a": "key=[redacted]"} and not arrival.is_same
    assert "hunter22" not in reader.texts[0][0]


@pytest.mark.parametrize("payload", [b"[]", b"{", b"\xff", b'{"a":1,"a":2}', b'{"a":"' + b"x" * 99 + b'"}'])
def test_what_cannot_be_judged_is_refused(payload):
    assert isinstance(read_object(payload, 50), Refuse)


def test_what_is_delivered_is_utf_8():
    assert json.loads(encoded({"a": "\ud800"})) == {"a": "?"}
    assert read_object(b'{"a":1}', 50) == {"a": 1}


async def test_what_changed_is_replaced():
    arrival = await receive(Reader(), {"a": "x\u200by"}, "x", NONE, "hidden")
    assert answer_of(arrival) == Replace(b'{"a":"xy"}')

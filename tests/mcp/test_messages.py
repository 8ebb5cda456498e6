"""JSON-RPC messages, from whatever bytes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.mcp.messages import (
    DEEPEST,
    Failure,
    MessageError,
    Notification,
    Request,
    Result,
    failure,
    read_message,
    sniff_id,
    write_message,
)

IDS = st.integers(-(2**53), 2**53) | st.text(max_size=64)
VALUES = st.recursive(
    st.none() | st.booleans() | IDS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=4).map(lambda value: json.dumps(value).encode())
METHODS = st.text(min_size=1, max_size=40)


def read(**message):
    return read_message(json.dumps({"jsonrpc": "2.0", **message}).encode())


def test_each_kind_is_told_from_the_others():
    assert read(id=1, method="ping") == Request(1, "ping", b"{}")
    assert read(method="notifications/initialized") == Notification("notifications/initialized", b"{}")
    assert read(id="a", result={}) == Result("a", b"{}")
    assert read(id=1, error={"code": -1, "message": "no"}) == Failure(1, b'{"code":-1,"message":"no"}')


@pytest.mark.parametrize(
    "message",
    [
        {"id": 1},
        {"id": 1, "method": ""},
        {"id": 1, "method": 5},
        {"id": None, "method": "ping"},
        {"id": 1.5, "method": "ping"},
        {"id": True, "method": "ping"},
        {"id": [1], "method": "ping"},
        {"id": 2**60, "method": "ping"},
        {"id": 1, "method": "ping", "params": []},
        {"id": 1, "method": "ping", "result": {}},
        {"id": 1, "result": 5},
        {"id": 1, "result": {}, "error": {"code": 1, "message": ""}},
        {"id": 1, "error": {"code": "x", "message": ""}},
        {"id": 1, "error": "no"},
        {"method": "x" * 129},
    ],
)
def test_what_is_no_message_is_refused(message):
    with pytest.raises(MessageError):
        read(**message)


def test_a_batch_is_refused():
    with pytest.raises(MessageError, match="batch"):
        read_message(b'[{"jsonrpc":"2.0","method":"ping","id":1}]')


def test_a_doubled_key_has_one_meaning_for_everybody():
    message = read_message(b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","name":"other"}}')
    assert message == Request(1, "tools/call", b'{"name":"other"}')


def test_deep_nesting_is_refused():
    inner = b"[" * DEEPEST + b"]" * DEEPEST
    with pytest.raises(MessageError, match="deep"):
        read_message(b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":' + inner + b"}}")
    with pytest.raises(MessageError):
        read_message(b"[" * 100_000)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_message_or_refused(data):
    try:
        message = read_message(data)
    except MessageError:
        return
    assert read_message(write_message(message)) == message


@given(
    st.builds(Request, IDS, METHODS, OBJECTS)
    | st.builds(Notification, METHODS, OBJECTS)
    | st.builds(Result, IDS, OBJECTS)
)
def test_what_is_written_is_read_again(message):
    once = read_message(write_message(message))
    assert b"\n" not in write_message(once)
    assert read_message(write_message(once)) == once


def test_an_error_is_an_answer_with_code_and_words():
    assert json.loads(write_message(failure(3, -32000, "no", {"a": 1}))) == {
        "jsonrpc": "2.0",
        "id": 3,
        "error": {"code": -32000, "message": "no", "data": {"a": 1}},
    }


def test_a_broken_answer_still_tells_what_it_answers():
    assert sniff_id(b'{"jsonrpc":"2.0","id":12,"result":' + b"x" * 5000) == 12
    assert sniff_id(b"x" * 5000, b'x","id": 7}') == 7
    assert sniff_id(b"hello") is None

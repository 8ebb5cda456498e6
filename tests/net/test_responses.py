"""Answers, as an intermediary has to understand and to write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.net.framing import CHUNKED, NO_BODY, UNTIL_CLOSE, Framing, Mode
from gmcp_sandbox.net.head import HeadError, parse_request, parse_response
from gmcp_sandbox.net.requests import read_request
from gmcp_sandbox.net.responses import Answers, agent_mode, own_response, read_response, write_response


def response(*lines, status="200 OK", version="1.1", method="GET"):
    text = "\r\n".join([f"HTTP/{version} {status}", *lines, "", ""])
    return read_response(parse_response(text.encode()), method)


def request(version="1.1", method="GET", target="/"):
    return read_request(parse_request(f"{method} {target} HTTP/{version}\r\nHost: a\r\n\r\n".encode()), "http")


def written(answer, asked, keeps=True):
    return write_response(answer, asked, keeps, answer.fields).decode().splitlines()[:-1]


@pytest.mark.parametrize(
    ("lines", "status", "method", "framing"),
    [
        (["Content-Length: 3"], "200 OK", "GET", Framing(Mode.LENGTH, 3)),
        (["Content-Length: 3", "Content-Length: 3"], "200 OK", "GET", Framing(Mode.LENGTH, 3)),
        (["Transfer-Encoding: chunked"], "200 OK", "GET", CHUNKED),
        (["Transfer-Encoding: chunked", "Content-Length: 3"], "200 OK", "GET", CHUNKED),
        ([], "200 OK", "GET", UNTIL_CLOSE),
        (["Content-Length: 3"], "200 OK", "HEAD", NO_BODY),
        (["Content-Length: 3"], "304 Not Modified", "GET", NO_BODY),
        ([], "204 No Content", "GET", NO_BODY),
        ([], "100 Continue", "POST", NO_BODY),
        ([], "200 OK", "CONNECT", NO_BODY),
        (["Content-Length: 3"], "403 Forbidden", "CONNECT", Framing(Mode.LENGTH, 3)),
    ],
)
def test_where_a_body_ends(lines, status, method, framing):
    assert response(*lines, status=status, method=method).framing == framing


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 3", "Content-Length: 4"],
        ["Content-Length: x"],
        ["Transfer-Encoding: gzip"],
        ["Content-Length: 3, 3"],
    ],
)
def test_an_answer_without_one_meaning_is_refused(lines):
    with pytest.raises(HeadError):
        response(*lines)


def test_the_length_of_a_body_that_is_not_sent_is_told():
    answer = response("Content-Length: 3", method="HEAD")
    assert written(answer, request(method="HEAD")) == ["HTTP/1.1 200 OK", "Content-Length: 3"]


def test_framing_and_connection_are_ours():
    answer = response("Transfer-Encoding: chunked", "Content-Length: 3", "Connection: close", "X: y")
    assert not answer.keeps
    assert written(answer, request(), False) == [
        "HTTP/1.1 200 OK",
        "X: y",
        "Transfer-Encoding: chunked",
        "Connection: close",
    ]


def test_a_client_of_http_1_0_gets_no_chunks():
    answer = response("Transfer-Encoding: chunked")
    assert agent_mode(answer, request("1.0")) is Mode.CLOSE
    assert written(answer, request("1.0"), False) == ["HTTP/1.1 200 OK", "Connection: close"]
    assert "Connection: keep-alive" in written(response("Content-Length: 0"), request("1.0"))


@pytest.mark.parametrize(
    ("lines", "version", "keeps"),
    [
        (["Content-Length: 0"], "1.1", True),
        (["Content-Length: 0", "Connection: Close"], "1.1", False),
        (["Content-Length: 0"], "1.0", False),
        (["Content-Length: 0", "Connection: keep-alive"], "1.0", True),
        ([], "1.1", False),
    ],
)
def test_whether_the_servers_connection_stays_open(lines, version, keeps):
    assert response(*lines, version=version).keeps is keeps


def test_a_change_of_protocol_is_passed_on():
    answer = response("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: x", status="101 Switching")
    assert answer.is_raw(request())
    assert not answer.is_interim
    assert written(answer, request())[-2:] == ["Connection: Upgrade", "Upgrade: websocket"]
    assert response(status="100 Continue").is_interim
    assert response(method="CONNECT").is_raw(request(method="CONNECT", target="a:1"))


def test_an_answer_of_our_own_is_one_line_and_the_end():
    assert own_response(403, "Forbidden", "no").decode().splitlines() == [
        "HTTP/1.1 403 Forbidden",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Length: 3",
        "Cache-Control: no-store",
        "Connection: close",
        "",
        "no",
    ]


HEADS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
    b"HTTP/1.0 200 OK\nContent-Length: 2\n\n",
    b"junk\r\n\r\n",
    b"HTTP/1.1 2",
]
ANSWERS = st.builds(
    lambda head, body: head + body, st.sampled_from(HEADS), st.sampled_from([b"", b"a", b"ok", b"ok\r\n\r\n"])
)


@given(st.lists(st.tuples(ANSWERS, st.sampled_from(["GET", "HEAD"]), st.sampled_from(["1.0", "1.1"])), max_size=12))
def test_a_whole_answer_is_one_that_ends_with_the_data_and_keeps_the_connection(asked):
    answers = Answers()
    for data, method, version in asked:
        what = request(version, method)
        found = answers.whole(data, what)
        assert found == Answers().whole(data, what), "what was read before changes nothing"
        if found is None:
            continue
        end = len(data.partition(b"\r\n\r\n")[0]) + 4 if b"\r\n\r\n" in data else data.index(b"\n\n") + 2
        answer = read_response(parse_response(data[:end]), method)
        assert answer.keeps
        assert answer.status >= 200
        assert len(data) - end == answer.framing.length
        assert found == write_response(answer, what, True, answer.fields) + data[end:]


def test_the_usual_answer_is_whole():
    assert Answers().whole(HEADS[0] + b"ok", request()) == HEADS[0] + b"ok"
    assert Answers().whole(HEADS[0] + b"o", request()) is None
    assert Answers().whole(HEADS[0], request(method="HEAD")) == HEADS[0]

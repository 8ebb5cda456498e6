"""Form, never policy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.arguments import (
    FsCreate,
    FsRead,
    FsRename,
    FsSetattr,
    FsStat,
    HttpRequest,
    NetConnect,
    NetSend,
    ProcExec,
    TlsHello,
)
from gmcp_sandbox.calls.labels import NETWORK
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.pipeline.schema import Schema, is_host, is_path
from gmcp_sandbox.policy.profile import Tier
from gmcp_sandbox.policy.state import SessionState
from tests.pipeline.samples import CALLS, STAT, call, connect, exec_of, mcp

STATE = SessionState(Tier.STANDARD)


def reason(asked):
    return Schema().judge(asked, STATE).reason


@pytest.mark.parametrize(
    "path", ["/", "/a", "/.a/..b/c.", "/a b\n", "/" + "x" * 4095, "/ü", "/\udcff", "/...", "/.git"]
)
def test_normal_paths(path):
    assert is_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        "//",
        "/a/",
        "/a//b",
        "/.",
        "/..",
        "/a/.",
        "/a/..",
        "/a/../b",
        "/./a",
        "/a\0b",
        "/" + "x" * 4096,
        "/" + "ü" * 2048,
    ],
)
def test_paths_that_are_not_normal(path):
    assert not is_path(path)


@given(st.text(alphabet=st.sampled_from("/.a\0\udcff")))
def test_a_path_is_normal_when_its_components_are(path):
    names = path.split("/")[1:]
    normal = path == "/" or (
        path.startswith("/") and "\0" not in path and all(name not in ("", ".", "..") for name in names)
    )
    assert is_path(path) == normal


@pytest.mark.parametrize(
    "host", ["example.com", "a", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "_dmarc.example.com", "xn--nxasmq6b"]
)
def test_hosts(host):
    assert is_host(host)


@pytest.mark.parametrize(
    "host", ["", "Example.com", "a..b", "-a", "a b", "a/b", "ü.example.com", "a" * 64, "a.example.com."]
)
def test_what_is_no_host(host):
    assert not is_host(host)


def test_arguments_of_another_tool_are_denied():
    assert reason(call(Tool.FS_STAT, "/w/a", FsRead("open"))) == "schema.arguments"


@pytest.mark.parametrize(
    "asked",
    [
        call(Tool.FS_STAT, "/w/a", FsStat("bogus")),  # type: ignore[arg-type]
        call(Tool.FS_STAT, "/w/a", FsStat("getxattr", "a\0b")),
        call(Tool.FS_RENAME, "/w/a", FsRename("/w/../etc/passwd")),
        call(Tool.FS_CREATE, "/w/a", FsCreate("hardlink", target="b")),
        call(Tool.FS_CREATE, "/w/a", FsCreate("symlink")),
        call(Tool.FS_CREATE, "/w/a", FsCreate("file", 0o10000)),
        call(Tool.FS_SETATTR, "/w/a", FsSetattr("chown", uid=-1)),
        exec_of("a\0b"),
        call(Tool.PROC_EXEC, "/w/a", ProcExec(None, "relative")),
        connect("example.com", 0),
        call(Tool.NET_SEND, "example.com", NetSend("icmp", 7), NETWORK),
        call(Tool.HTTP_REQUEST, "example.com", HttpRequest("GET /", "/", 80), NETWORK),
        call(Tool.HTTP_REQUEST, "example.com", HttpRequest("GET", "/", 80, authority="Example.com"), NETWORK),
        call(Tool.HTTP_REQUEST, "example.com", HttpRequest("GET", "/", 80, scheme="gopher"), NETWORK),  # type: ignore[arg-type]
        call(Tool.TLS_HELLO, "example.com", TlsHello("example.com", 443, ("",)), NETWORK),
        call(Tool.NET_CONNECT, "example.com", NetConnect(22, raw="because"), NETWORK),  # type: ignore[arg-type]
        mcp("[]"),
        mcp("{"),
        mcp("[" * 100_000),
    ],
)
def test_arguments_out_of_bounds_are_denied(asked):
    assert reason(asked) == "schema.bounds"


@pytest.mark.parametrize(
    "asked",
    [
        call(Tool.TLS_HELLO, "example.com", TlsHello(None, 443, fault="record"), NETWORK),
        call(Tool.HTTP_REQUEST, "example.com", HttpRequest("GET", "/", 80, fault="obs_fold"), NETWORK),
    ],
)
def test_what_a_shell_could_not_parse_is_denied(asked):
    assert reason(asked) == "schema.malformed"


def test_a_malformed_object_is_denied():
    assert reason(call(Tool.FS_STAT, "/w/../a", FsStat("lookup"))) == "schema.object"
    assert reason(connect("EXAMPLE.com")) == "schema.object"
    assert reason(mcp("{}", "files/a\0b")) == "schema.object"


def test_ordinary_calls_pass():
    for asked in (STAT, exec_of("sh", "-c", "true"), connect("example.com"), mcp('{"path":"a"}')):
        assert reason(asked) == "schema.ok"


@given(CALLS)
def test_any_call_gets_an_answer(asked):
    assert reason(asked).startswith("schema.")
    assert reason(asked) != "schema.error"

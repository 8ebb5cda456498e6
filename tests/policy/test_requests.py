"""Methods and paths of HTTP requests: every reading of a path must be granted."""

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.policy.hosts import GlobError
from gmcp_sandbox.policy.requests import compile_request_denials, compile_requests, readings


def grants(target, *patterns):
    return compile_requests(None, patterns)("GET", target, ())


def test_nothing_said_grants_everything():
    assert compile_requests(None, None)("BREW", "/..", ("x-http-method",))


def test_a_method_is_granted_by_its_exact_name():
    rule = compile_requests(("GET", "HEAD"), None)
    assert rule("GET", "/x", ())
    assert not rule("get", "/x", ())
    assert not rule("POST", "/x", ())


@pytest.mark.parametrize(
    ("pattern", "target"),
    [
        ("/", "/"),
        ("/", "/?q=1"),
        ("/**", "/"),
        ("/**", "/a//../b"),
        ("/v1/*", "/v1/models"),
        ("/v1/*", "/v1/models/"),
        ("/v1/**", "/v1/models/a/b?x=/../y"),
        ("/simple/*/", "/simple/trio/"),
        ("/@types*", "/@types"),
        ("/@types/*", "/@types/node"),
        ("/files/*", "/files/a.b..c"),
    ],
)
def test_a_path_that_matches_is_granted(pattern, target):
    assert grants(target, pattern)


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/admin",
        "/v1",
        "/v1/../admin",
        "/v1/x/..",
        "/v1/./x",
        "/v1/%2e%2e/admin",
        "/v1/%2E./admin",
        "/v1/%252e%252e/admin",
        "/v1/..;/admin",
        "/v1/..;a=b/admin",
        "/v1/..%3b/admin",
        "/v1/a%2f..%2fadmin",
        "/v1\\..\\admin",
        "/v1/%5c..%5cadmin",
        "/v1/a%00",
        "//v1",
        "*",
        "host.example:443",
        "",
    ],
)
def test_a_path_that_climbs_out_in_any_reading_is_not_granted(target):
    assert not grants(target, "/v1/**")


def test_a_parameter_does_not_hide_a_path():
    assert not grants("/admin;/v1/x", "/admin;/**")
    assert grants("/v1/x;a=1", "/v1/**")


def test_an_encoded_slash_must_match_in_both_readings():
    assert not grants("/@types%2fnode", "/@types/*")
    assert grants("/@types%2fnode", "/@types/*", "/@types%2fnode")


@pytest.mark.parametrize("header", ["x-http-method-override", "x-original-url", "x-rewrite-url"])
def test_a_header_that_overrides_the_request_line_is_not_granted(header):
    assert not compile_requests(("POST",), None)("POST", "/", ("host", header))


@pytest.mark.parametrize(
    ("methods", "paths"), [(("GE T",), None), (None, ("v1/*",)), (None, ("/a//b",)), (("",), None)]
)
def test_a_rule_without_meaning_is_refused(methods, paths):
    with pytest.raises(GlobError):
        compile_requests(methods, paths)


@given(st.text(alphabet="/.%2eEfF5cC;\\abv1?", max_size=40))
def test_no_reading_climbs(rest):
    for path in readings("/v1/" + rest):
        decoded = unquote(unquote(path))
        assert ".." not in [segment.partition(";")[0] for segment in decoded.replace("\\", "/").split("/")]


@given(st.text(alphabet="abc-_~", min_size=1, max_size=10))
def test_encoding_a_granted_path_does_not_change_the_answer(name):
    encoded = "".join(f"%{ord(char):02x}" for char in name)
    assert grants(f"/v1/{name}", "/v1/*")
    assert grants(f"/v1/{encoded}", "/v1/*")
    assert not grants(f"/v2/{quote(name)}", "/v1/*")


@pytest.mark.parametrize(
    "target", ["/admin", "/admin/", "/x/../admin", "/%61dmin", "/admin;x", "//admin", "/v1/%2e%2e/admin", "*"]
)
def test_a_denial_holds_when_any_reading_is_meant(target):
    assert compile_request_denials(None, ("/admin",))("GET", target, ())


def test_a_denial_leaves_other_requests_alone():
    denied = compile_request_denials(("POST",), ("/admin/**",))
    assert not denied("GET", "/admin/x", ())
    assert not denied("POST", "/public", ())
    assert denied("POST", "/admin/x", ())
    assert denied("GET", "/public", ("x-http-method-override",))
    assert compile_request_denials(None, None)("GET", "/", ())


@given(st.text(alphabet="/.%2eE;\\abdmin", max_size=30), st.sampled_from(["/admin/**", "/a*", "/**", "/"]))
def test_what_a_rule_grants_a_denial_of_the_same_paths_denies(rest, pattern):
    if compile_requests(None, (pattern,))("GET", "/" + rest, ()):
        assert compile_request_denials(None, (pattern,))("GET", "/" + rest, ())

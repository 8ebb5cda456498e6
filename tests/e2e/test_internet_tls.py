"""TLS on the tests' own internet: passed on unopened, or opened where the profile says so, with tokens kept outside."""

from __future__ import annotations

import json

import pytest

from tests.e2e.internet import GRANT, calls, events

pytestmark = pytest.mark.needs("tun", "internet", "program:curl")

TOKEN = "tok-5f1c7a90e2d4"
NAME = "web.example.com"


def _with_ca(online):
    """Give the agent the authority's certificate; return its name in the workspace."""
    online.sandbox.write("authority.crt", online.net.ca.read_bytes())
    return "authority.crt"


def _intercepting(online):
    """Return a profile that opens TLS to one host and holds a token for it, and the environment of its command."""
    profile = online.profile(
        more=f"""
[[net.credentials]]
name = "api"
host = "{NAME}"
env = "API_TOKEN"
source = "env:REAL_TOKEN"
prefix = "tok-"
[[net.allow]]
hosts = ["{NAME}"]
ports = [443]
methods = ["GET"]
paths = ["/headers", "/hello", "/chunked/*"]
intercept = true
{GRANT.split(chr(10), 1)[1]}""",
        grant="ports = [80]\n",
    )
    return profile, {"REAL_TOKEN": TOKEN, "SSL_CERT_FILE": str(online.net.ca)}


def test_https_passes_unopened(online):
    result = online.exec("curl", "-sS", "--cacert", _with_ca(online), f"https://{NAME}/hello")
    assert (result.code, result.out) == (0, b"hello from upstream\n"), result.err
    (hello,) = calls(result, "tls.hello")
    assert (hello["outcome"], hello["args"]["server_name"]) == ("allow", NAME)
    assert calls(result, "http.request") == []


def test_https_without_the_authority_fails_as_it_does_anywhere(online):
    result = online.exec("curl", "-sS", f"https://{NAME}/hello")
    assert result.code == 60  # curl(1): the certificate cannot be verified


def test_opened_https_is_judged_by_request_and_needs_no_configuration(online):
    profile, env = _intercepting(online)
    script = f"""
curl -sS https://{NAME}/hello
curl -sS -o /dev/null -w '%{{http_code}}\\n' -X DELETE https://{NAME}/hello
curl -sS -o /dev/null -w '%{{http_code}}\\n' https://{NAME}/secret
python3 -c 'import urllib.request as r; print(r.urlopen("https://{NAME}/chunked/2").read().decode().count("chunk"))'
"""
    result = online.exec("sh", "-c", script, profile=profile, env=env)
    assert result.text == "hello from upstream\n403\n403\n2\n", result.err
    assert [line["line"] for line in online.net.seen("upstream")] == ["GET /hello", "GET /chunked/2"]
    assert [call["args"]["path"] for call in calls(result, "http.request", "deny")] == ["/hello", "/secret"]


def test_the_token_is_upstreams_alone(online):
    profile, env = _intercepting(online)
    script = f"""
env
curl -sS -H "Authorization: Bearer $API_TOKEN" https://{NAME}/headers
curl -sS -H "Authorization: Bearer $API_TOKEN" -o /dev/null -w '%{{http_code}}\\n' http://{NAME}/headers
curl -sS -H "Authorization: Bearer $API_TOKEN" -o /dev/null -w '%{{http_code}}\\n' http://other.example.com/headers
curl -sS -H "Authorization: Bearer $API_TOKEN" -o /dev/null -w '%{{http_code}}\\n' https://{NAME}/secret
"""
    result = online.exec("sh", "-c", script, profile=profile, env=env)
    lines = online.net.seen("upstream")
    assert [(line["at"], line["authorization"]) for line in lines if TOKEN in str(line["authorization"])] == [
        (lines[0]["at"], f"Bearer {TOKEN}")
    ]
    assert TOKEN not in result.text
    assert TOKEN not in result.err
    assert "Bearer tok-" in result.text  # what upstream echoed shows the placeholder again
    for path in result.log.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path


HELLO = """
import json, socket, ssl, sys
found = {}
context = ssl.create_default_context(cafile="authority.crt")
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
for name in json.loads(sys.argv[1]):
    try:
        with socket.create_connection(("web.example.com", 443), 20) as sock:
            with context.wrap_socket(sock, server_hostname=name) as tls:
                found[str(name)] = "talked"
    except OSError as error:
        found[str(name)] = type(error).__name__
print(json.dumps(found))
"""


def test_sni_that_is_not_the_name(online):
    _with_ca(online)
    wanted = ["other.example.com", "elsewhere.example.net", None, "WEB.example.com", "web.example.com"]
    found, result = online.script(HELLO, json.dumps(wanted))
    assert found.pop("web.example.com") == "talked"
    assert found.pop("WEB.example.com") == "talked"
    assert "talked" not in found.values()
    assert [call["args"].get("server_name") for call in calls(result, "tls.hello", "deny")] == wanted[:3]
    assert len([flow for flow in events(result, "flow") if flow["how"] in ("denied", "refused")]) == 3


HOSTS = """
import json, socket, sys
found = {}
for text in json.loads(sys.argv[1]):
    with socket.create_connection(("web.example.com", 80), 20) as sock:
        sock.sendall(text.encode())
        try:
            found[text] = "reset"
            stream = sock.makefile("rb")
            found[text] = stream.readline().decode()[9:12]
            stream.read()  # to the end, so that all is judged
        except ConnectionResetError:
            pass
print(json.dumps(found))
"""
CLOSE = "Connection: close\r\n\r\n"
FORGED = (
    f"GET /hello HTTP/1.1\r\nHost: other.example.com\r\n{CLOSE}",
    f"GET http://other.example.com/hello HTTP/1.1\r\nHost: web.example.com\r\n{CLOSE}",
    f"GET http://web.example.com/hello HTTP/1.1\r\nHost: other.example.com\r\n{CLOSE}",
    f"GET /hello HTTP/1.1\r\nHost: web.example.com\r\nHost: other.example.com\r\n{CLOSE}",
    f"GET /hello HTTP/1.1\r\nHost: web.example.com:8080\r\n{CLOSE}",
    f"GET /hello HTTP/1.1\r\nHost: web.example.com@other.example.com\r\n{CLOSE}",
    f"GET /hello HTTP/1.1\r\nHost : other.example.com\r\n{CLOSE}",
    f"GET /hello HTTP/1.1\r\n Host: other.example.com\r\n{CLOSE}",
    f"CONNECT other.example.com:443 HTTP/1.1\r\nHost: other.example.com:443\r\n{CLOSE}",
    "POST /put HTTP/1.1\r\nHost: web.example.com\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    "0\r\n\r\nGET /hello HTTP/1.1\r\nHost: other.example.com\r\n\r\n",
)


def test_host_that_is_not_the_name(online):
    honest = f"GET /hello HTTP/1.1\r\nHost: WEB.example.com.:80\r\n{CLOSE}"
    found, result = online.script(HOSTS, json.dumps([*FORGED, honest]))
    assert found.pop(honest) == "200"
    assert set(found.values()) <= {"403", "400", "reset"}, found
    assert [line["host"] for line in online.net.seen("upstream")] == ["web.example.com"]  # passed on as it is bound
    denied = [*calls(result, "http.request", "deny"), *calls(result, "net.connect", "deny")]  # CONNECT: no right to it
    assert len(denied) == len(FORGED)


def test_a_second_request_on_an_allowed_connection_is_judged_like_the_first(online):
    text = (
        "GET /hello HTTP/1.1\r\nHost: web.example.com\r\n\r\n"
        f"GET /secret HTTP/1.1\r\nHost: other.example.com\r\n{CLOSE}"
    )
    found, result = online.script(HOSTS, json.dumps([text]))
    assert found == {text: "200"}
    assert [line["line"] for line in online.net.seen("upstream")] == ["GET /hello"]
    assert len(calls(result, "http.request", "deny")) == 1

"""HTTP/2 on the tests' own internet: whole inside of unopened TLS, refused in words that its clients understand."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.internet import GRANT, Internet, calls, events

pytestmark = pytest.mark.needs("tun", "internet", "program:curl", "program:node")

NAME = "web.example.com"
SERVER = """
const http2 = require('http2'), fs = require('fs');
const pem = fs.readFileSync(process.argv[1]);
const answer = (asked, stream) => stream.end(`HTTP/${asked.httpVersion}\\n`);
let left = 2;
const ready = () => { if (--left === 0) console.log('ready'); };
http2.createSecureServer({ key: pem, cert: pem, allowHTTP1: true }, answer).listen(8443, ready);
http2.createServer(answer).listen(8081, ready);
process.stdin.on('end', () => process.exit()).resume();
"""
PORTS = "ports = [80, 8081, 8443]\n"
CURL = ("curl", "-sS", "-m", "30", "-w", "%{http_version}\n")


@pytest.fixture(scope="module")
def _http2(net: Internet) -> Iterator[None]:
    """Serve HTTP/2 by TLS (8443) and in plain text (8081)."""
    command = [*net.upstream, "node", "-e", SERVER, str(net.folder / "server.pem")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield
        process.stdin.close()


def _with_ca(online) -> str:
    online.sandbox.write("authority.crt", online.net.ca.read_bytes())
    return "authority.crt"


@pytest.mark.usefixtures("_http2")
def test_http2_passes_inside_of_unopened_tls(online):
    url = f"https://{NAME}:8443/"
    result = online.exec(*CURL, "--cacert", _with_ca(online), url, profile=online.profile(grant=PORTS))
    assert result.text == "HTTP/2.0\n2\n", result.err
    (hello,) = calls(result, "tls.hello")
    assert hello["args"]["alpn"] == ["h2", "http/1.1"]


def _opened(online) -> tuple[str, dict[str, str]]:
    head = f'[[net.allow]]\nhosts = ["{NAME}"]\nports = [8443]\npaths = ["/"]\nintercept = true\n'
    profile = online.profile(more=head + GRANT.split("\n", 1)[1], grant="ports = [80]\n")
    return profile, {"SSL_CERT_FILE": str(online.net.ca)}


@pytest.mark.usefixtures("_http2")
def test_an_opened_flow_offers_http1_alone_and_curl_takes_it(online):
    profile, env = _opened(online)
    result = online.exec(*CURL, "--http2", f"https://{NAME}:8443/", profile=profile, env=env)
    assert result.text == "HTTP/1.1\n1.1\n", result.err
    assert [call["args"]["path"] for call in calls(result, "http.request", "allow")] == ["/"]


NODE = """
const http2 = require('http2');
const session = http2.connect(process.argv[2]);
const said = [];
session.on('goaway', (code, last, text) => said.push(`goaway ${code} ${text}`));
session.on('error', (error) => said.push(`${error.code} ${error.message}`));
session.request({ ':path': '/' }).on('error', () => {}).on('response', () => said.push('answered'));
session.on('close', () => console.log(said.join('; ')));
"""


@pytest.mark.usefixtures("_http2")
def test_a_client_that_insists_on_http2_in_an_opened_flow_is_told(online):
    """As gRPC does: it offers h2 and nothing else."""
    profile, env = _opened(online)
    online.sandbox.write("client.js", NODE)
    result = online.exec("node", "client.js", f"https://{NAME}:8443", profile=profile, env=env)
    assert "no application protocol" in result.text.lower(), result.text
    assert [call["args"]["alpn"] for call in calls(result, "tls.hello")] == [["h2"]]
    assert [flow["how"] for flow in events(result, "flow")] == ["refused"]
    assert calls(result, "http.request") == []


@pytest.mark.usefixtures("_http2")
def test_http2_with_prior_knowledge_is_told_to_speak_http1(online):
    online.sandbox.write("client.js", NODE)
    script = f"""
node client.js http://{NAME}:8081
curl -sS -m 30 --http2-prior-knowledge http://{NAME}:8081/
echo "curl: $?"
"""
    result = online.exec("sh", "-c", script, profile=online.profile(grant=PORTS))
    said, status = result.text.splitlines()
    assert "goaway 13 gmcp-sandbox: speak HTTP/1.1 here" in said, result.text  # 13 is HTTP_1_1_REQUIRED
    assert "answered" not in said
    assert status not in ("curl: 0", "curl: 28"), result.text  # neither served nor kept waiting
    refused = calls(result, "net.connect", "deny")
    assert [call["args"]["raw"] for call in refused] == ["http2"] * len(refused)
    assert len(refused) >= 2
    assert {flow["down"] for flow in events(result, "flow")} == {9 + 9 + 8 + len("gmcp-sandbox: speak HTTP/1.1 here")}
    assert {flow["up"] for flow in events(result, "flow")} == {0}


@pytest.mark.usefixtures("_http2")
def test_http2_with_prior_knowledge_passes_where_raw_bytes_may(online):
    command = (*CURL, "--http2-prior-knowledge", f"http://{NAME}:8081/")
    result = online.exec(*command, profile=online.profile(grant=f"{PORTS}raw = true\n"))
    assert result.text == "HTTP/2.0\n2\n", result.err


def test_an_upgrade_to_http2_is_left_out_and_the_request_served(online):
    result = online.exec(*CURL, "--http2", f"http://{NAME}/hello")
    assert result.text == "hello from upstream\n1.1\n", result.err
    assert calls(result, "net.connect", "deny") == []

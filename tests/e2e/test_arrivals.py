"""Orders to a model in pages and files from the network: the session is tainted before the agent has them."""

from __future__ import annotations

import pytest

from tests.e2e.internet import GRANT, calls, events

pytestmark = pytest.mark.needs("tun", "internet", "program:curl")

HOST = "web.example.com"
RULE = """
[[rules]]
id = "nothing-new-after-orders"
text = "After a text that gives orders, nothing new is made."
effect = "deny"
tools = ["fs.create"]
paths = ["**/after*"]
taint = ["untrusted-instructions"]
"""
PAGE = f"http://{HOST}/pages"


def run(online, script, *, more="", **how):
    """Run a script under the rule; return its result and what was said of texts that came in."""
    profile = online.profile(grant=f"ports = [80, 443]\n{more}{RULE}")
    result = online.exec(
        "sh", "-c", f"echo 1 > before; {script}\necho 2 > after || echo denied", profile=profile, **how
    )
    return result, events(result, "incoming")


def hits(said):
    return [(each["source"], each["why"]) for each in said if each["hit"]]


@pytest.mark.trick("orders to a model in a web page", stops="pages are read before they are passed on; taint, rules")
def test_a_page_with_orders_taints_and_a_rule_uses_it(online):
    result, said = run(online, f"curl -sS '{PAGE}/orders.html?key=secret'")
    assert "Serves four" in result.text, "nothing is held back"
    assert result.text.endswith("denied\n")
    assert [source for source, _ in hits(said)] == [f"web page {PAGE}/orders.html"], "a query may hold secrets"
    (denied,) = calls(result, "fs.create", "deny")
    assert denied["taint"] == ["untrusted-instructions"]
    assert denied["reason"] == "constitution.nothing-new-after-orders"


def test_the_user_is_told_where_the_orders_came_from(online):
    result, _ = run(online, f"curl -sS {PAGE}/orders.html")
    assert f"warning: orders to a model came in (web page {PAGE}/orders.html)" in result.err


@pytest.mark.trick("a name that would steer the terminal, of a file with orders", stops="names are escaped")
def test_the_name_of_a_file_with_orders_does_not_steer_the_terminal(online):
    (online.sandbox.workspace / "own.html").write_bytes((online.net.folder / "www/pages/orders.html").read_bytes())
    result, _ = run(online, f"curl -sS http://{HOST}/hello; cat own.html > \"$(printf '\\033[2J\\377')\"")
    warning = next(line for line in result.err.splitlines() if line.startswith("warning: orders"))
    assert "\\x1b[2J" in warning
    assert warning.isprintable()


def test_a_harmless_page_is_asked_about_and_taints_nothing(online):
    result, said = run(online, f"curl -sS {PAGE}/harmless.html; curl -sS http://{HOST}/hello")
    assert [each["hit"] for each in said] == [False]
    assert not calls(result, "fs.create", "deny"), result.err


def test_a_page_that_is_asked_for_over_a_kept_connection_is_read(online):
    result, said = run(online, f"curl -sS http://{HOST}/hello http://{HOST}/hello {PAGE}/orders.html")
    assert result.text.endswith("denied\n")
    assert len(hits(said)) == 1


@pytest.mark.trick("orders in a compressed page", stops="it is opened to be read; requests offer what can be opened")
def test_a_compressed_page_is_opened(online):
    script = f"curl -sS --compressed http://{HOST}/coded/gzip/orders.html"
    result, said = run(online, script)
    assert "Serves four" in result.text
    assert [source for source, _ in hits(said)] == [f"web page http://{HOST}/coded/gzip/orders.html"]


def test_a_page_that_nobody_can_open_is_not_trusted(online):
    _, said = run(online, f"curl -sS http://{HOST}/coded/br/harmless.html > page")
    assert hits(said) == [(f"web page http://{HOST}/coded/br/harmless.html", "unread: br")]
    result = online.exec("curl", "-sS", "-H", "Accept-Encoding: br, gzip;q=0.5", f"http://{HOST}/headers")
    assert '"Accept-Encoding": "gzip;q=0.5"' in result.text


def test_a_page_over_opened_tls_is_read(online):
    intercept = f'[[net.allow]]\nhosts = ["{HOST}"]\nports = [443]\nintercept = true\n{GRANT.split(chr(10), 1)[1]}'
    env = {"SSL_CERT_FILE": str(online.net.ca)}
    result, said = run(online, f"curl -sS https://{HOST}/pages/orders.html", more=intercept, env=env)
    assert result.text.endswith("denied\n")
    assert [source for source, _ in hits(said)] == [f"web page https://{HOST}/pages/orders.html"]


@pytest.mark.trick("orders in a file from the network", stops="what is written is read first; taint, rules")
def test_a_file_that_came_over_closed_tls_is_read_when_it_is_written(online):
    (online.sandbox.workspace / "authority.crt").write_bytes(online.net.ca.read_bytes())
    result, said = run(online, f"curl -sS --cacert authority.crt -o page.html https://{HOST}/pages/orders.html")
    assert calls(result, "http.request") == [], "nobody opened it"
    page = online.sandbox.workspace / "page.html"
    assert [source for source, _ in hits(said)] == [f"file {page}"]
    assert "Serves four" in page.read_text()
    assert result.text == "denied\n"


def test_a_page_that_the_agent_reads_from_a_socket_of_its_own_is_read(online):
    script = f"""
import socket
with socket.create_connection(("{HOST}", 80)) as sock:
    for word in ("GET /pages/orders.html HTTP/1.1", "Host: {HOST}", "Connection: close", "", ""):
        sock.sendall(word.encode() + b"\\r\\n")
    print(len(b"".join(iter(lambda: sock.recv(7), b""))))
"""
    online.sandbox.write("own.py", script)
    result, said = run(online, "python3 own.py")
    assert result.text.endswith("denied\n")
    assert len(hits(said)) == 1


@pytest.mark.trick("orders in a repository that is cloned", stops="what is written is read first")
@pytest.mark.needs("program:git")
def test_a_clone_is_read_before_anybody_can_read_it(online):
    result, said = run(online, f"git clone -q http://{HOST}/git/orders.git copy && cat copy/README.md")
    assert "Serves four" in result.text
    readme = online.sandbox.workspace / "copy" / "README.md"
    assert [source for source, _ in hits(said)] == [f"file {readme}"]
    order = [record for record in result.records if record.get("tool") == "fs.read" or record.get("name") == "incoming"]
    places = [str(record.get("object", "incoming")) for record in order]
    assert places.index("incoming") < places.index(str(readme))


def test_an_archive_is_read_when_it_is_unpacked(online):
    script = f"curl -sS -o a.tar.gz {PAGE}/orders.tar.gz && echo 3 > after-the-download && tar xf a.tar.gz"
    result, said = run(online, script)
    assert (online.sandbox.workspace / "after-the-download").exists(), result.err
    readme = online.sandbox.workspace / "project" / "README.md"
    assert [source for source, _ in hits(said)] == [f"file {readme}"]


def test_a_harmless_clone_taints_nothing(online):
    result, said = run(online, f"git clone -q http://{HOST}/git/harmless.git copy && cat copy/README.md")
    assert hits(said) == []
    assert not calls(result, "fs.create", "deny"), result.err


def test_a_session_that_spoke_to_nobody_may_write_what_it_likes(online):
    text = (online.net.folder / "www" / "pages" / "orders.html").read_text()
    online.sandbox.write("own.txt", text)
    result, said = run(online, "cp own.txt copy.txt")
    assert said == []
    assert not calls(result, "fs.create", "deny"), result.err

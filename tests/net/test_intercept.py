"""TLS that is opened on the way: real handshakes on both sides, and tokens that only the server sees."""

import ssl
import sys

import pytest
import trio

from gmcp_sandbox.net.authority import Authority
from gmcp_sandbox.net.converse import Conversation, Interception
from gmcp_sandbox.net.credentials import Vault
from gmcp_sandbox.net.hello import Hello
from gmcp_sandbox.net.intercept import Borrowed, alert, offers_http, trust_of_host
from gmcp_sandbox.net.types import HandOff, Target
from gmcp_sandbox.policy.network import Credential
from tests.net.certificates import TestAuthority
from tests.net.programs import Site, gate, run
from tests.net.talk import Door, pair, read_all, read_until, talk

TARGET = Target("git.example", 443, "198.18.0.1", False)
TOKEN = b"tok_0123456789abcdefXYZ"  # of no service
FORGE = Credential("forge", "git.example", "FORGE_TOKEN", "env:HOST_TOKEN", prefix="tok_")
OURS = Authority()
THEIRS = TestAuthority()


def interception(vault=None, trust=None, wanted=lambda host, port: True):
    return Interception(wanted, OURS, trust or THEIRS.trust(), vault or Vault())


def over_tls(stream, *, alpn=("http/1.1",), name="git.example"):
    context = ssl.create_default_context(cadata=OURS.pem.decode())
    context.set_alpn_protocols(list(alpn))
    return trio.SSLStream(stream, context, server_hostname=name, https_compatible=True)


def serve_tls(stream, folder, *names, **how):
    context = THEIRS.server(folder, *(names or ("git.example",)), **how)
    return trio.SSLStream(stream, context, server_side=True, https_compatible=True)


GET = b"GET /a HTTP/1.1\r\nHost: git.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_requests_inside_of_tls_are_asked_for(tmp_path):
    door = Door(lambda call: getattr(call.args, "path", "") == "/secret")
    async with talk(door, TARGET, interception()) as ends:
        agent, server = over_tls(ends.agent), serve_tls(ends.server, tmp_path)
        await agent.send_all(GET)
        assert agent.selected_alpn_protocol() == "http/1.1"
        assert await read_until(server, b"\r\n\r\n") == GET
        assert server.selected_alpn_protocol() == "http/1.1"
        await server.send_all(OK)
        assert await read_until(agent, b"ok") == OK
        await agent.send_all(GET.replace(b"/a", b"/secret"))
        assert (await read_until(agent, b"here\n")).startswith(b"HTTP/1.1 403")
        await agent.aclose()
        assert await ends.closing() == "refused"
    assert door.asked == ["tls.hello git.example", "http.request GET /a", "http.request GET /secret"]
    assert door.args[1].scheme == "https"


async def test_nothing_goes_to_the_server_before_a_request_is_allowed():
    async with talk(Door(lambda call: call.tool == "http.request"), TARGET, interception()) as ends:
        agent = over_tls(ends.agent)
        await agent.send_all(GET)
        assert (await read_until(agent, b"here\n")).startswith(b"HTTP/1.1 403")
        await agent.aclose()
        assert await read_all(ends.server) == b""


async def test_a_host_that_is_not_opened_is_handed_off():
    async with talk(Door(), TARGET, interception(wanted=lambda host, port: False)) as ends:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(over_tls(ends.agent).do_handshake)
            assert isinstance(await ends.end(), HandOff)
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("names", "how", "text"),
    [
        (("other.example",), {}, b"Hostname mismatch"),
        (("git.example",), {"days": -1}, b"certificate has expired"),
    ],
)
async def test_a_server_that_is_not_who_it_says_is_told_honestly(tmp_path, names, how, text):
    async with talk(Door(), TARGET, interception()) as ends:
        agent, server = over_tls(ends.agent), serve_tls(ends.server, tmp_path, *names, **how)

        async def refuse():
            with pytest.raises(trio.BrokenResourceError):
                await server.do_handshake()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(refuse)
            await agent.send_all(GET)
            answer = await read_until(agent, text)
            await agent.aclose()
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway")


async def test_a_server_is_verified_with_the_hosts_trust(tmp_path):
    async with talk(Door(), TARGET, interception(trust=trust_of_host())) as ends:
        agent = over_tls(ends.agent)

        async def refuse():
            with pytest.raises(trio.BrokenResourceError):
                await serve_tls(ends.server, tmp_path).do_handshake()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(refuse)
            await agent.send_all(GET)
            answer = await read_until(agent, b"not accepted")
            await agent.aclose()
    assert answer.startswith(b"HTTP/1.1 502")


async def test_a_server_that_speaks_no_tls_is_told_honestly():
    async with talk(Door(), TARGET, interception()) as ends:
        agent = over_tls(ends.agent)

        async def answer_plainly():
            await ends.server.receive_some()
            await ends.server.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer_plainly)
            await agent.send_all(GET)
            answer = await read_until(agent, b"\n\r\n")
            await agent.aclose()
    assert b"502" in answer
    assert b"TLS to git.example failed" in answer
    assert b"_ssl.c" not in answer


async def test_an_agent_that_does_not_trust_us_ends_the_flow():
    async with talk(Door(), TARGET, interception()) as ends:
        stranger = trio.SSLStream(ends.agent, ssl.create_default_context(), server_hostname="git.example")
        with pytest.raises(trio.BrokenResourceError):
            await stranger.do_handshake()
        await ends.agent.aclose()
        assert await ends.closing() == "agent_tls"
        assert await read_all(ends.server) == b""


async def test_a_client_that_cannot_speak_http_1_gets_an_alert():
    async with talk(Door(), TARGET, interception()) as ends:
        with pytest.raises(trio.BrokenResourceError) as caught:
            await over_tls(ends.agent, alpn=("h2",)).do_handshake()
        assert "no application protocol" in str(caught.value.__cause__)


async def test_what_is_no_http_inside_of_tls_is_refused():
    door = Door()
    async with talk(door, TARGET, interception()) as ends:
        agent = over_tls(ends.agent)
        await agent.send_all(b"EHLO git.example\r\n\r\n")
        assert (await read_until(agent, b")\n")).startswith(b"HTTP/1.1 400")
        await agent.aclose()
        assert await read_all(ends.server) == b""
    assert door.asked[-1] == "http.request UNKNOWN  request_line"


async def test_a_token_takes_its_placeholders_place_and_does_not_come_back(tmp_path):
    stash = Vault([(FORGE, TOKEN)])
    holder = stash.environment()["FORGE_TOKEN"].encode()
    door = Door()
    async with talk(door, TARGET, interception(stash)) as ends:
        agent, server = over_tls(ends.agent), serve_tls(ends.server, tmp_path)
        asked = b"\r\nAuthorization: Bearer %b\r\nAccept-Encoding: gzip\r\n\r\n" % holder
        await agent.send_all(GET.replace(b"\r\n\r\n", asked))
        seen = await read_until(server, b"\r\n\r\n")
        assert b"Authorization: Bearer " + TOKEN in seen
        assert b"Accept-Encoding: identity" in seen
        echo = b"you sent %b and %b" % (TOKEN, seen)
        head = b"HTTP/1.1 200 %b\r\nX-Echo: %b\r\nContent-Length: %d\r\n\r\n"
        await server.send_all(head % (TOKEN, TOKEN, len(echo)))
        for at in range(0, len(echo), 7):
            await server.send_all(echo[at : at + 7])
        answer = await read_until(agent, b"identity\r\n\r\n")
        await agent.aclose()
        await ends.end()
    assert TOKEN not in answer
    assert answer.count(holder) == 4
    assert TOKEN.decode() not in repr(door.calls)
    assert door.args[1].headers == ("authorization", "accept-encoding")


async def test_a_placeholder_in_a_body_is_refused_wherever_reads_cut_it(tmp_path):
    stash = Vault([(FORGE, TOKEN)])
    holder = stash.environment()["FORGE_TOKEN"].encode()
    door = Door()
    async with talk(door, TARGET, interception(stash)) as ends:
        agent, server = over_tls(ends.agent), serve_tls(ends.server, tmp_path)
        await agent.send_all(b"POST /p?q HTTP/1.1\r\nHost: git.example\r\nContent-Length: 1000\r\n\r\n" + holder[:9])
        seen = await read_until(server, holder[:9])
        await agent.send_all(holder[9:])
        assert (await read_until(agent, b"belong\n")).startswith(b"HTTP/1.1 403")
        await agent.aclose()
        await ends.end()
    assert holder not in seen
    assert door.asked[-1] == "http.request POST /p placeholder"


async def test_an_upgrade_inside_of_tls_is_carried_on(tmp_path):
    async with talk(Door(raw=True), TARGET, interception()) as ends:
        agent, server = over_tls(ends.agent), serve_tls(ends.server, tmp_path)
        await agent.send_all(GET.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly"))
        await read_until(server, b"\r\n\r\n")
        await server.send_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nlate")
        assert (await read_until(agent, b"late")).endswith(b"Upgrade: websocket\r\n\r\nlate")
        assert await read_until(server, b"early") == b"early"
        await agent.send_all(b"ping")
        assert await server.receive_some() == b"ping"
        await server.aclose()
        assert await read_all(agent) == b""
        assert await ends.closing() == "closed"


async def test_bytes_that_were_read_come_first():
    here, there = pair()
    borrowed = Borrowed(here, b"abc")
    assert await borrowed.receive_some(2) == b"ab"
    assert await borrowed.receive_some() == b"c"
    await there.send_all(b"d")
    assert await borrowed.receive_some(1) == b"d"
    await borrowed.aclose()
    await borrowed.send_all(b"open")
    assert await there.receive_some() == b"open"
    await borrowed.wait_send_all_might_not_block()
    await borrowed.send_eof()
    assert await there.receive_some() == b""
    await here.aclose()
    await there.aclose()


def test_what_a_client_can_speak():
    assert offers_http(Hello("a"))
    assert offers_http(Hello("a", ("h2", "http/1.1")))
    assert not offers_http(Hello("a", ("h2",)))
    assert alert(49) == b"\x15\x03\x03\x00\x02\x02\x31"


# ------------------------------------------------------------------------------------------------------ real programs


class World:
    """Programs, the application layer, and a server that wants a token."""

    def __init__(self, folder, door, site, port, holder):
        self.folder, self.door, self.site, self.port, self.holder = folder, door, site, port, holder
        self.resolve = f"git.example:{port}:127.0.0.1"
        self.url = f"https://git.example:{port}"

    async def run(self, *command, **variables):
        return await run(*command, bundle=self.folder / "bundle.pem", cwd=self.folder, **variables)

    async def curl(self, path, *options):
        return await self.run("curl", "-sS", "--resolve", self.resolve, *options, self.url + path)


@pytest.fixture
async def world(tmp_path):
    stash = Vault([(FORGE, TOKEN)])
    door = Door(lambda call: "secret" in getattr(call.args, "path", ""))
    (tmp_path / "bundle.pem").write_bytes(OURS.bundle(b""))
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "file").write_bytes(b"the file\n")
    with Site(tmp_path / "site", TOKEN.decode()).served(THEIRS.server(tmp_path, "git.example")) as site:
        conversation = Conversation(door, interception=interception(stash))
        async with gate(conversation, "git.example", site.port) as port:
            yield World(tmp_path, door, site, port, stash.environment()["FORGE_TOKEN"])


@pytest.mark.needs("program:curl")
async def test_curl_with_a_token_in_its_header(world):
    done = await world.curl("/echo", "-H", f"Authorization: Bearer {world.holder}")
    assert (done.returncode, done.stdout.decode()) == (0, f"you sent Bearer {world.holder}\n")
    assert world.site.seen == [f"/echo Bearer {TOKEN.decode()}"]
    done = await world.curl("/file", "-u", f"me:{world.holder}")
    assert done.stdout == b"the file\n"


@pytest.mark.needs("program:curl")
async def test_curl_uploads_and_is_refused_in_words(world):
    (world.folder / "big").write_bytes(bytes(20 << 20))
    done = await world.curl("/up", "-T", "big", "-w", "%{http_code}")
    assert done.stdout == b"204"
    done = await world.curl("/secret")
    assert done.stdout == b"gmcp-sandbox: this request is not allowed here\n"
    assert not any("secret" in line for line in world.site.seen)


@pytest.mark.needs("program:git")
async def test_git_clones_over_https_with_a_placeholder(world):
    origin = world.folder / "origin"
    bare = world.folder / "site" / "one.git"
    made = f"""
        git init -q {origin} && cd {origin} &&
        git -c user.name=a -c user.email=a@example.com commit -q --allow-empty -m one &&
        git clone -q --bare {origin} {bare} && cd {bare} && git update-server-info
    """
    assert (await world.run("sh", "-c", made)).returncode == 0
    address = world.url.replace("//", f"//x-access-token:{world.holder}@") + "/one.git"
    cloned = await world.run("git", "-c", f"http.curloptResolve={world.resolve}", "clone", "-q", address, "here")
    assert cloned.returncode == 0, cloned.stderr.decode()
    log = await world.run("git", "-C", "here", "log", "--format=%s")
    assert log.stdout == b"one\n"
    assert TOKEN.decode() not in str(world.door.calls) + cloned.stderr.decode()


@pytest.mark.needs("program:node")
async def test_node_trusts_the_bundle(world):
    script = """
        const https = require("https");
        const options = {servername: "git.example", lookup: (host, _, done) => done(null, [{address: "127.0.0.1",
        family: 4}]),
                         headers: {"Authorization": "token " + process.env.FORGE_TOKEN}};
        https.get(process.argv[1], options, answer => answer.pipe(process.stdout));
    """
    done = await world.run("node", "-e", script, world.url + "/echo", FORGE_TOKEN=world.holder)
    assert done.stdout.decode() == f"you sent token {world.holder}\n", done.stderr


async def test_python_trusts_the_bundle(world):
    script = """if True:
        import http.client, os, socket, ssl, sys
        context = ssl.create_default_context()
        plain = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        connection = http.client.HTTPSConnection("git.example", int(sys.argv[1]))
        connection.sock = context.wrap_socket(plain, server_hostname="git.example")
        for _ in range(3):
            connection.request("GET", "/file", headers={"Authorization": "Bearer " + os.environ["FORGE_TOKEN"]})
            print(connection.getresponse().read())
    """
    done = await world.run(sys.executable, "-c", script, str(world.port), FORGE_TOKEN=world.holder)
    assert done.stdout == b"b'the file\\n'\n" * 3, done.stderr

"""The relay between clients in the sandbox and a real ssh-agent."""

from __future__ import annotations

import socket
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmcp_sandbox.errors import AuditError
from gmcp_sandbox.net import sshwire
from gmcp_sandbox.net.sshagent import SshAgent, fingerprint, receive, send
from gmcp_sandbox.net.sshwire import Reader, WireError, string
from tests.net.test_sshwire import SESSION, binding, ed25519_pair, login

pytestmark = pytest.mark.needs("program:ssh-agent", "program:ssh-add", "program:ssh-keygen")


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """An ssh-agent with one key: yields its socket and the public key."""
    folder = tmp_path_factory.mktemp("agent")
    path, key = str(folder / "sock"), str(folder / "key")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.PIPE)
    try:
        agent.stdout.readline()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me@laptop", "-f", key], check=True)
        subprocess.run(["ssh-add", "-q", key], check=True, env={"SSH_AUTH_SOCK": path})
        yield path, key
    finally:
        agent.terminate()
        agent.stdout.close()
        agent.wait()


class Paper:
    def __init__(self):
        self.events = []
        self.fault = None

    def __call__(self, name, **fields):
        if self.fault is not None:
            raise self.fault
        self.events.append((name, fields))


class Host:
    """A server with a host key, which signs sessions."""

    def __init__(self):
        self.key, self.sign = ed25519_pair()

    def bind(self, session=SESSION, *, forwarding=False):
        return bytes([sshwire.EXTENSION]) + binding(self.key, session, self.sign(session), forwarding)


@asynccontextmanager
async def relay(user, hosts, paper):
    """Yield a function that connects a client."""
    path = user[0] + ".relay"
    with socket.socket(socket.AF_UNIX) as sock:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(SshAgent(hosts, user[0], paper).run, sock)
            await trio.testing.wait_all_tasks_blocked()
            sock.bind(path)
            sock.listen()
            try:
                yield lambda: trio.open_unix_socket(path)
            finally:
                nursery.cancel_scope.cancel()
                subprocess.run(["rm", "-f", path], check=True)


async def ask(client, message):
    await send(client, message)
    return await receive(client)


async def keys(client):
    return sshwire.read_identities((await ask(client, bytes([sshwire.REQUEST_IDENTITIES])))[1:])


def sign_request(key, session=SESSION, **parts):
    return bytes([sshwire.SIGN_REQUEST]) + login(key, session=session, **parts).replace(string(b"key"), string(key), 1)


async def test_a_bound_client_can_log_in_to_the_named_host(user):
    host, paper = Host(), Paper()
    async with relay(user, {host.key: "git.test"}, paper) as connect, await connect() as client:
        assert await ask(client, host.bind()) == bytes([sshwire.SUCCESS])
        (key,) = await keys(client)
        request = sign_request(key)
        answer = await ask(client, request)
        assert answer[0] == sshwire.SIGN_RESPONSE
        signature = Reader(Reader(answer[1:]).string())
        assert signature.string() == b"ssh-ed25519"
        body = Reader(request[1:])
        body.string()
        public: Any = serialization.load_ssh_public_key(Path(user[1] + ".pub").read_bytes())
        public.verify(signature.string(), body.string())
    assert paper.events == [("ssh_sign", {"host": "git.test", "user": "git", "key": fingerprint(key)})]


async def test_comments_of_keys_stay_outside(user):
    host = Host()
    async with relay(user, {host.key: "git.test"}, Paper()) as connect, await connect() as client:
        await ask(client, host.bind())
        assert b"laptop" not in await ask(client, bytes([sshwire.REQUEST_IDENTITIES]))


async def test_an_unbound_client_sees_no_key_and_gets_no_signature(user):
    host, paper = Host(), Paper()
    async with relay(user, {host.key: "git.test"}, paper) as connect:
        async with await connect() as first:
            await ask(first, host.bind())
            (key,) = await keys(first)
        async with await connect() as client:
            assert await keys(client) == []
            assert await ask(client, sign_request(key)) == bytes([sshwire.FAILURE])
    assert [name for name, _ in paper.events] == ["ssh_refused"]


@pytest.mark.parametrize("trick", ["another host", "forwarding", "no signature", "bound twice"])
async def test_a_binding_that_proves_nothing_is_refused(user, trick):
    host, evil, paper = Host(), Host(), Paper()
    async with relay(user, {host.key: "git.test"}, paper) as connect, await connect() as client:
        message = {
            "another host": evil.bind(),
            "forwarding": host.bind(forwarding=True),
            "no signature": bytes([sshwire.EXTENSION]) + binding(host.key, SESSION, evil.sign(SESSION)),
            "bound twice": host.bind(b"another session"),
        }[trick]
        if trick == "bound twice":
            await ask(client, host.bind())
        assert await ask(client, message) == bytes([sshwire.FAILURE])
        assert len(await keys(client)) == (trick == "bound twice")


@pytest.mark.parametrize(
    "trick",
    [
        {"session": b"a session with somebody else"},
        {"data": b"SSHSIG" + string(b"git") + string(b"") + string(b"sha512") + string(b"digest")},
        {"data": b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"},
        {"method": b"publickey-hostbound-v00@openssh.com", "more": string(b"another host's key")},
    ],
)
async def test_only_a_login_in_the_bound_session_is_signed(user, trick):
    host, paper = Host(), Paper()
    async with relay(user, {host.key: "git.test"}, paper) as connect, await connect() as client:
        await ask(client, host.bind())
        (key,) = await keys(client)
        assert await ask(client, sign_request(key, **trick)) == bytes([sshwire.FAILURE])
    assert "ssh_sign" not in [name for name, _ in paper.events]


@pytest.mark.parametrize("kind", [17, 18, 19, 20, 21, 22, 23, 25, 26])
async def test_the_user_s_agent_is_never_changed(user, kind):
    host = Host()
    async with relay(user, {host.key: "git.test"}, Paper()) as connect, await connect() as client:
        await ask(client, host.bind())
        assert await ask(client, bytes([kind]) + string(b"passphrase")) == bytes([sshwire.FAILURE])
        assert len(await keys(client)) == 1


async def test_no_record_no_signature(user):
    host, paper = Host(), Paper()
    with pytest.raises(BaseExceptionGroup) as caught:
        async with relay(user, {host.key: "git.test"}, paper) as connect, await connect() as client:
            await ask(client, host.bind())
            (key,) = await keys(client)
            paper.fault = AuditError("full")
            assert await ask(client, sign_request(key)) is None
            await trio.sleep_forever()
    assert caught.value.subgroup(AuditError) is not None


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=60))
async def test_hostile_bytes_end_the_connection_at_worst(user, data):
    host = Host()
    async with relay(user, {host.key: "git.test"}, Paper()) as connect, await connect() as client:
        await client.send_all(data)
        await client.send_eof()
        while True:
            try:
                answer = await receive(client)
            except (WireError, trio.BrokenResourceError):
                break
            if answer is None:
                break
            assert answer[0] in (sshwire.FAILURE, sshwire.IDENTITIES_ANSWER)

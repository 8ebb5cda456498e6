"""The user's ssh-agent, for logins to named hosts and for nothing else.

A client's connection is worth nothing until it is bound: the client passes on what the server signed with its host key
in the key exchange (`session-bind`, OpenSSH 8.9 and later). A bound connection can have exactly one kind of thing
signed: a login by public key in that very session. The server's signature cannot be had for a session with anybody
else, so that what is signed here is of no use but with the named host.

Invariants:
- Nothing is signed on a connection that is not bound to a named host's key, or that is bound for forwarding.
- What is signed is a login in the bound session, whatever else the data could be read as.
- A signature is in the log before the user's agent is asked for it.
- The user's agent gets requests of three kinds: list, bind, sign. Its comments on keys are not passed on.
"""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Mapping
from typing import Final

import trio

from gmcp_sandbox.net import sshwire
from gmcp_sandbox.net.parts import Event
from gmcp_sandbox.net.sshwire import Reader, WireError

_LONGEST: Final = 256 << 10  # OpenSSH's own bound
_MOST: Final = 16
_SECONDS: Final = 60.0
"""For an answer of the user's agent: it may ask the user."""
_NAMED_SECONDS: Final = 0.02
_FAILURE: Final = bytes((sshwire.FAILURE,))
_SUCCESS: Final = bytes((sshwire.SUCCESS,))


class SshAgent:
    """Stands between the agent's ssh clients and the user's ssh-agent.

    Args:
        hosts: Host keys, each with the name that the profile gives its host.
        path: Where the user's agent listens.
        event: Takes signatures down.
    """

    def __init__(self, hosts: Mapping[bytes, str], path: str, event: Event) -> None:
        self._hosts = hosts
        self._path = path
        self._event = event

    async def run(self, sock: socket.socket) -> None:
        """Serve until cancelled; process 1 may yet have to give the socket its name. Raises AuditError."""
        while not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):  # noqa: ASYNC110 - nobody tells us
            await trio.sleep(_NAMED_SECONDS)
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
        places = trio.Semaphore(_MOST)
        async with trio.open_nursery() as nursery:
            while True:
                await places.acquire()
                nursery.start_soon(self._serve, await listener.accept(), places)

    async def _serve(self, client: trio.SocketStream, places: trio.Semaphore) -> None:
        try:
            async with client, await trio.open_unix_socket(self._path) as agent:
                await _Conversation(self._hosts, agent, self._event).run(client)
        except (OSError, trio.BrokenResourceError, trio.TooSlowError, WireError):
            return  # either side has gone, or spoke another language: the client sees the end of its connection
        finally:
            places.release()


class _Conversation:
    """One client's."""

    def __init__(self, hosts: Mapping[bytes, str], agent: trio.SocketStream, event: Event) -> None:
        self._hosts = hosts
        self._agent = agent
        self._event = event
        self._bound: sshwire.Binding | None = None

    async def run(self, client: trio.SocketStream) -> None:
        while (request := await receive(client)) is not None:
            await send(client, await self._answer(request))

    async def _answer(self, request: bytes) -> bytes:
        kind, body = request[0], request[1:]
        try:
            if kind == sshwire.REQUEST_IDENTITIES:
                return await self._list()
            if kind == sshwire.EXTENSION:
                return await self._bind(request, body)
            if kind == sshwire.SIGN_REQUEST:
                return await self._sign(request, body)
        except WireError:
            pass
        return _FAILURE

    async def _list(self) -> bytes:
        if self._bound is None:
            return sshwire.write_identities([])
        answer = await self._ask(bytes((sshwire.REQUEST_IDENTITIES,)))
        if answer[0] != sshwire.IDENTITIES_ANSWER:
            return _FAILURE
        return sshwire.write_identities(sshwire.read_identities(answer[1:]))

    async def _bind(self, request: bytes, body: bytes) -> bytes:
        binding = sshwire.read_binding(body)
        if binding is None or self._bound is not None:
            return _FAILURE
        host = self._hosts.get(binding.host_key)
        if host is None or binding.is_forwarding or not sshwire.is_signed(binding):
            self._event("ssh_refused", host=host, key=fingerprint(binding.host_key), forwarding=binding.is_forwarding)
            return _FAILURE
        await self._ask(request)  # so that keys which the user bound to hosts work; an older agent fails, and may
        self._bound = binding
        return _SUCCESS

    async def _sign(self, request: bytes, body: bytes) -> bytes:
        bound = self._bound
        login = sshwire.read_login(body)
        if bound is None or login.session != bound.session or login.host_key not in (None, bound.host_key):
            self._event("ssh_refused", host=None, key=fingerprint(login.key), user=login.user)
            return _FAILURE
        self._event("ssh_sign", host=self._hosts[bound.host_key], user=login.user, key=fingerprint(login.key))
        answer = await self._ask(request)
        return answer if answer[0] == sshwire.SIGN_RESPONSE else _FAILURE

    async def _ask(self, request: bytes) -> bytes:
        """Return the answer of the user's agent."""
        with trio.fail_after(_SECONDS):
            await send(self._agent, request)
            answer = await receive(self._agent)
        if answer is None:
            raise WireError("the user's agent hung up")
        return answer


def fingerprint(key: bytes) -> str:
    """Return a key's fingerprint as ssh-keygen(1) prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode("ascii").rstrip("=")


async def send(stream: trio.SocketStream, message: bytes) -> None:
    """Send one message."""
    await stream.send_all(sshwire.string(message))


async def receive(stream: trio.SocketStream) -> bytes | None:
    """Return the next message, never empty; None at the end.

    Raises:
        WireError: It is empty, too long or cut short.
    """
    head = await _exactly(stream, 4)
    if head is None:
        return None
    length = Reader(head).number()
    body = await _exactly(stream, length) if 0 < length <= _LONGEST else None
    if body is None:
        raise WireError("no message")
    return body


async def _exactly(stream: trio.SocketStream, size: int) -> bytes | None:
    """Return so many bytes; None when the stream has ended. Raises WireError when it ends among them."""
    data = bytearray()
    while len(data) < size:
        part = await stream.receive_some(size - len(data))
        if not part:
            if data:
                raise WireError("cut short")
            return None
        data += part
    return bytes(data)

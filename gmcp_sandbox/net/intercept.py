"""TLS on both sides of a flow: towards the agent by the session's authority, towards the server by the host's trust.

The server is verified with the host's trust store and the name that the flow is bound to, whatever the agent would
accept; what fails there is told to the agent as it is. HTTP/1.1 is the one protocol that is offered either way.
Certificates of the agent's own (mutual TLS) cannot be passed on: such hosts are not intercepted.
"""

from __future__ import annotations

import re
import ssl

import trio
from trio.abc import HalfCloseableStream

from gmcp_sandbox.net.exchange import Refused
from gmcp_sandbox.net.hello import Hello

HANDSHAKE_SECONDS = 30.0
FAREWELL_SECONDS = 2.0
HTTP = "http/1.1"

_PLACES = re.compile(r"\[[^\]]*\]|\(_ssl\.c:\d+\)")
"""In texts of OpenSSL: where in its source, which says nothing here."""

ACCESS_DENIED = 49
NO_APPLICATION_PROTOCOL = 120
DECODE_ERROR = 50


class Borrowed(HalfCloseableStream):
    """A stream that somebody else closes, with bytes that were already read from it put back in front."""

    def __init__(self, stream: HalfCloseableStream, before: bytes = b"") -> None:
        self._stream = stream
        self._before = before

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return the bytes that were put back, then those of the stream."""
        if self._before:
            size = len(self._before) if max_bytes is None else max_bytes
            part, self._before = self._before[:size], self._before[size:]
            await trio.lowlevel.checkpoint()
            return part
        return bytes(await self._stream.receive_some(max_bytes))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """End this direction."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Leave the stream open: it is borrowed."""
        await trio.lowlevel.checkpoint()


TlsStream = trio.SSLStream[Borrowed]


def trust_of_host() -> ssl.SSLContext:
    """Return how servers are verified: by the host's trust store and the name, offering HTTP/1.1."""
    context = ssl.create_default_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # set by some Pythons; it refuses authorities that the host trusts
    context.set_alpn_protocols([HTTP])
    return context


def offers_http(hello: Hello) -> bool:
    """True when a client can speak what an opened flow speaks."""
    return not hello.alpn or HTTP in hello.alpn or "http/1.0" in hello.alpn


def alert(description: int) -> bytes:
    """Return a fatal alert in a record of its own, for a client that has said nothing but its hello."""
    return bytes((21, 3, 3, 0, 2, 2, description))


async def open_agent(agent: HalfCloseableStream, hello: bytes, context: ssl.SSLContext) -> TlsStream | None:
    """Answer a client's handshake of which `hello` was already read; None when it does not come about."""
    stream = trio.SSLStream(Borrowed(agent, hello), context, server_side=True, https_compatible=True)
    with trio.move_on_after(HANDSHAKE_SECONDS):
        try:
            await stream.do_handshake()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return None
        return stream
    return None


async def open_upstream(upstream: HalfCloseableStream, context: ssl.SSLContext, host: str) -> TlsStream:
    """Shake hands with the server and verify it.

    Raises:
        Refused: It does not come about; the text says why, as the agent's own TLS would.
    """
    stream = trio.SSLStream(Borrowed(upstream), context, server_hostname=host, https_compatible=True)
    with trio.move_on_after(HANDSHAKE_SECONDS):
        try:
            await stream.do_handshake()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Refused(502, "Bad Gateway", f"TLS to {host} failed: {_cause(error)}") from error
        return stream
    raise Refused(504, "Gateway Timeout", f"TLS to {host} failed: it took longer than {HANDSHAKE_SECONDS:.0f} s")


async def farewell(stream: TlsStream) -> None:
    """Say that no more comes, so that an end is no cut."""
    with trio.move_on_after(FAREWELL_SECONDS):
        try:
            await stream.aclose()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # who is gone need not be told


def _cause(error: Exception) -> str:
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return _PLACES.sub("", str(cause.args[-1])).strip().lower()
    return "it closed the connection"

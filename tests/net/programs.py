"""Real programs on one side, a real HTTPS server on the other, the application layer in between, over loopback."""

from __future__ import annotations

import base64
import http.server
import os
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from gmcp_sandbox.net.authority import environment
from gmcp_sandbox.net.converse import Conversation
from gmcp_sandbox.net.types import HandOff, Target


@dataclass
class Site:
    """A server of files that asks for a password, and what it was sent."""

    folder: Path
    token: str
    port: int = 0
    seen: list[str] = field(default_factory=list)

    @contextmanager
    def served(self, context: ssl.SSLContext) -> Iterator[Site]:
        """Serve in a thread until the end of the block."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        self.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def accepts(self, authorization: str) -> bool:
        scheme, _, value = authorization.partition(" ")
        if scheme == "Basic":
            value = base64.b64decode(value).decode().partition(":")[2]
        return value == self.token


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, site: Site, *args, **kwargs):
        self.site = site
        super().__init__(*args, directory=str(site.folder), **kwargs)

    def do_GET(self):
        authorization = self.headers.get("Authorization", "")
        self.site.seen.append(f"{self.path} {authorization}")
        if self.path == "/echo":
            body = f"you sent {authorization}\n".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        elif self.site.accepts(authorization):
            super().do_GET()
        else:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.send_header("Content-Length", "0")
            self.end_headers()

    def do_PUT(self):
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 1 << 16)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format, *args):
        pass


@asynccontextmanager
async def gate(conversation: Conversation, host: str, server_port: int) -> AsyncIterator[int]:
    """Listen for programs; each connection becomes a flow to the server, bound to the host. Yields the port."""

    async def serve(agent: trio.SocketStream) -> None:
        target = Target(host, agent.socket.getsockname()[1], "198.18.0.1", False)
        upstream = await trio.open_tcp_stream("127.0.0.1", server_port)
        async with upstream:
            assert not isinstance(await conversation(target, agent, upstream, lambda up, down: None), HandOff)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def run(*command: str, bundle: Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run a program that trusts the bundle, and return how it ended."""
    env = {"PATH": os.environ["PATH"], "HOME": str(cwd), **environment(str(bundle)), **variables}
    with trio.fail_after(30):
        return await trio.run_process(
            command, capture_stdout=True, capture_stderr=True, check=False, env=env, cwd=cwd, stdin=b""
        )

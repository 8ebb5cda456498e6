"""The servers of the tests' internet: web, bare TCP, UDP echo, names. Plain and patient; each tells who was there."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dnslib import AAAA, QTYPE, RR, A, DNSRecord

BLOCK = bytes(range(256)) * 4096
Server = socketserver.BaseServer
Address = tuple[str, int]


class Seen:
    """The lines that tests read."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def tell(self, **what: object) -> None:
        """Write one line, whole."""
        os.write(self._fd, json.dumps(what).encode() + b"\n")


def write_pattern(send, length: int) -> None:
    """Send so many bytes of `BLOCK` over and over."""
    for _ in range(length // len(BLOCK)):
        send(BLOCK)
    send(BLOCK[: length % len(BLOCK)])


def flood(sock: socket.socket, seen: Seen, length: int) -> None:
    """Send so many bytes of `BLOCK`; tell when nobody takes them for half a second."""
    sent, is_told = 0, False
    sock.settimeout(0.5)
    while sent < length:
        try:
            sent += sock.send(BLOCK[: length - sent])
        except TimeoutError:
            if not is_told:
                seen.tell(where="stuck", sent=sent)
            is_told = True


def digest_of_pattern(length: int) -> str:
    """Return the checksum of what `write_pattern` sends."""
    digest = hashlib.sha256()
    write_pattern(digest.update, length)
    return digest.hexdigest()


def reset(sock: socket.socket) -> None:
    """Close with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


# ----------------------------------------------------------------------------------------------------------------- web


class _Web(BaseHTTPRequestHandler):
    """The web.

    GET /hello /headers /chunked/N /bytes/N /flood/N /reset /silence /coded/CODING/PAGE, files, git; PUT and POST
    anywhere: the checksum.
    """

    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True
    server: Any

    def do_GET(self) -> None:
        self._tell()
        word, _, rest = urlsplit(self.path).path.strip("/").partition("/")
        if word == "headers":
            self._answer(json.dumps(dict(self.headers.items())).encode())
        elif word == "chunked":
            self._chunked(int(rest))
        elif word == "bytes":
            self._head(200, int(rest))
            write_pattern(self.wfile.write, int(rest))
        elif word == "flood":
            self._head(200, int(rest))
            flood(self.connection, self.server.seen, int(rest))
        elif word == "reset":
            self._reset()
        elif word == "silence":
            self.connection.recv(1)
        else:
            self._kept(word, rest)

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        self._tell()
        digest = hashlib.sha256()
        for part in self._body():
            digest.update(part)
        self._answer(digest.hexdigest().encode())

    def do_POST(self) -> None:
        if self.path.startswith("/git/"):
            self._tell()
            self._git(b"".join(self._body()))
        else:
            self.do_PUT()

    def _body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            while length := int(self.rfile.readline(), 16):
                yield self.rfile.read(length)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length", 0))
        while left and (part := self.rfile.read(min(left, 1 << 20))):
            yield part
            left -= len(part)

    def _kept(self, word: str, rest: str) -> None:
        if word == "coded":
            self._coded(*rest.split("/"))
        elif word == "git":
            self._git()
        else:
            self._file(word, rest)

    def _reset(self) -> None:
        self._head(200, 1000)
        self.wfile.write(b"half")
        self.wfile.flush()
        reset(self.connection)
        self.close_connection = True

    def _tell(self) -> None:
        self.server.seen.tell(
            where=self.server.where,
            at=self.connection.getsockname()[0],
            host=self.headers.get("Host"),
            line=f"{self.command} {self.path}",
            authorization=self.headers.get("Authorization"),
        )

    def _head(self, status: int, length: int, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _answer(self, body: bytes, status: int = 200, kind: str = "text/plain") -> None:
        self._head(status, len(body), kind)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _chunked(self, count: int) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(count):
            text = b"chunk %d\n" % number
            self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        self.wfile.write(b"0\r\n\r\n")

    def _coded(self, coding: str, name: str) -> None:
        body = (self.server.files / "pages" / name).read_bytes()
        if coding == "gzip":
            body = gzip.compress(body)
        self.send_response(200)
        self.send_header("Content-Encoding", coding)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _file(self, word: str, rest: str) -> None:
        if word == "hello":
            self._answer(b"hello from %s\n" % self.server.where.encode())
            return
        path = (self.server.files / word / rest) if self.server.files and ".." not in self.path else None
        if path is not None and path.is_dir():
            links = "".join(f'<a href="{name}">{name}</a>' for name in sorted(os.listdir(path)))
            self._answer(f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), kind="text/html")
        elif path is not None and path.is_file():
            self._answer(path.read_bytes(), kind="application/octet-stream")
        else:
            self._answer(b"nothing here\n", 404)

    def _git(self, body: bytes = b"") -> None:
        """Run git's own server program (git-http-backend(1)), which speaks CGI."""
        parts = urlsplit(self.path)
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "http-backend"],
            input=body,
            capture_output=True,
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(self.server.files),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "safe.directory",
                "GIT_CONFIG_VALUE_0": "*",
                "PATH_INFO": parts.path,
                "QUERY_STRING": parts.query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().splitlines())
        status = int(lines.get("Status", "200").split()[0])
        self._answer(content, status, lines.get("Content-Type", "text/plain"))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def web(
    family: int,
    address: Address,
    seen: Seen,
    where: str,
    *,
    tls: ssl.SSLContext | None = None,
    files: Path | None = None,
) -> Server:
    """Return a web server, with TLS when there is a context."""

    class Web(ThreadingHTTPServer):
        seen: Seen
        where: str
        files: Path | None
        address_family = family
        daemon_threads = True
        request_queue_size = 512

        def server_bind(self) -> None:
            if family == socket.AF_INET6:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            socketserver.TCPServer.server_bind(self)  # not HTTPServer's, which looks the host's name up

        def finish_request(self, request, client_address) -> None:
            if tls is not None:
                request = tls.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)

        def handle_error(self, request, client_address) -> None:
            """Say nothing."""

    server = Web(address, _Web)
    server.seen, server.where, server.files = seen, where, files
    return server


# ---------------------------------------------------------------------------------------------------------------- bare


class _Bare(socketserver.BaseRequestHandler):
    """NUL, word, number, LF: `down N`, `flood N` send, `up N` takes and tells the checksum, `hold 0`, `reset 0`."""

    server: Any

    def handle(self) -> None:
        sock = self.request
        self.server.seen.tell(where="bare", at=sock.getsockname()[0])
        line = sock.makefile("rb", 0).readline()
        word, _, number = line.strip(b"\0\n").partition(b" ")
        if word == b"down":
            write_pattern(sock.sendall, int(number))
        elif word == b"flood":
            flood(sock, self.server.seen, int(number))
        elif word == b"up":
            digest, left = hashlib.sha256(), int(number)
            while left and (part := sock.recv(min(left, 1 << 20))):
                digest.update(part)
                left -= len(part)
            sock.sendall(digest.hexdigest().encode())
        elif word == b"reset":
            sock.sendall(b"half")
            reset(sock)
        else:
            sock.sendall(b"held\n")
            sock.recv(1)


def bare(family: int, address: Address, seen: Seen) -> Server:
    """Return a server that speaks neither TLS nor HTTP."""

    class Bare(socketserver.ThreadingTCPServer):
        seen: Seen
        address_family = family
        daemon_threads = True
        request_queue_size = 512

        def server_bind(self) -> None:
            if family == socket.AF_INET6:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            super().server_bind()

        def handle_error(self, request, client_address) -> None:
            """Say nothing."""

    server = Bare(address, _Bare)
    server.seen = seen
    return server


def udp_echo(family: int, address: Address, seen: Seen) -> None:
    """Send datagrams back, for ever."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(address)
    while True:
        data, peer = sock.recvfrom(65536)
        seen.tell(where="udp", size=len(data))
        sock.sendto(data, peer)


# --------------------------------------------------------------------------------------------------------------- names


class Zone:
    """Name → lists of addresses; where there are several lists, each question gets the next one, the last for ever."""

    def __init__(self, table: dict[str, list[list[str]]]) -> None:
        self._table = {name: list(lists) for name, lists in table.items()}
        self._lock = threading.Lock()

    def answer(self, question: bytes, most: int) -> tuple[bytes, str]:
        """Return the answer, cut when it is longer than `most`, and the name."""
        asked = DNSRecord.parse(question)
        name = str(asked.q.qname).rstrip(".").lower()
        kind = QTYPE[asked.q.qtype]
        reply = asked.reply()
        with self._lock:
            lists = self._table.get(name)
            addresses = [] if lists is None else lists.pop(0) if len(lists) > 1 and kind == "A" else lists[0]
        if lists is None:
            reply.header.rcode = 3
        for address in addresses:
            if kind == ("AAAA" if ":" in address else "A"):
                data = AAAA(address) if kind == "AAAA" else A(address)
                reply.add_answer(RR(asked.q.qname, asked.q.qtype, rdata=data, ttl=0))
        packed = reply.pack()
        if len(packed) > most:  # the whole of it is there by TCP
            reply.rr.clear()
            reply.header.tc = 1
            packed = reply.pack()
        return packed, name


def names_udp(address: Address, zone: Zone, seen: Seen) -> None:
    """Answer questions, for ever."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO: the answer comes from the address that was asked
    sock.bind(address)
    while True:
        question, ancillary, _, peer = sock.recvmsg(512, 256)
        answer, name = zone.answer(question, 512)
        seen.tell(where="names", by="udp", name=name)
        back = [(level, kind, b"\0\0\0\0" + data[4:8] + bytes(4)) for level, kind, data in ancillary]
        sock.sendmsg([answer], back, 0, peer)


def names_tcp(address: Address, zone: Zone, seen: Seen) -> Server:
    """Return the name server's other half."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while head := self.rfile.read(2):
                answer, name = zone.answer(self.rfile.read(int.from_bytes(head, "big")), 65535)
                seen.tell(where="names", by="tcp", name=name)
                self.wfile.write(len(answer).to_bytes(2, "big") + answer)

    class Names(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    return Names(address, Handler)

"""The other side of `netclient.py`: bulk transfers in threads, small answers in one loop. Ends with standard input."""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import threading

BULK, WEB = 7100, 7180
BLOCK = bytes(1 << 20)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"


def bulk(sock: socket.socket) -> None:
    """Serve one transfer."""
    with sock, contextlib.suppress(OSError):
        line = sock.makefile("rb", 0).readline()
        if line.startswith(b"\0down"):
            for _ in range(int(line.split()[1])):
                sock.sendall(BLOCK)
        elif line.endswith(b"\n"):  # else a flow that was only held open
            left, buffer = int(line.split()[1]) << 20, bytearray(1 << 20)
            while left and (got := sock.recv_into(buffer)):
                left -= got
            sock.sendall(b"x")


def accept_bulk(listener: socket.socket) -> None:
    """Serve transfers for ever."""
    while True:
        threading.Thread(target=bulk, args=(listener.accept()[0],), daemon=True).start()


def answer(listener: socket.socket) -> None:
    """Answer requests for ever; each comes in one piece."""
    poller, socks = select.epoll(), {}
    poller.register(listener, select.EPOLLIN)
    while True:
        for fd, _ in poller.poll():
            if fd == listener.fileno():
                sock = listener.accept()[0]
                socks[sock.fileno()] = sock
                poller.register(sock, select.EPOLLIN)
                continue
            try:
                data = socks[fd].recv(4096)
                socks[fd].sendall(ANSWER * data.count(b"\r\n\r\n"))
            except OSError:
                data = b""
            if not data:
                poller.unregister(fd)
                socks.pop(fd).close()


if __name__ == "__main__":
    for port, serve in ((BULK, accept_bulk), (WEB, answer)):
        made = socket.create_server(("0.0.0.0", port), backlog=512)
        threading.Thread(target=serve, args=(made,), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()

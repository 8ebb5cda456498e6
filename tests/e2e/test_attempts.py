"""Attempts that the kernel refuses without asking anybody are in the log all the same."""

from __future__ import annotations

SCRIPT = """
import ctypes, errno, socket
for arguments in ((2, 3, 6), (10, 3, 58), (17, 3, 768), (40, 1, 0), (16, 3, 12)):
    try:
        socket.socket(*arguments).close()
        print("done")
    except OSError as error:
        print(errno.errorcode[error.errno])
libc = ctypes.CDLL(None, use_errno=True)
for name, arguments in (("unshare", (0x10000000,)), ("setns", (0, 0)), ("mount", (0, 0, 0, 0, 0))):
    getattr(libc, name)(*arguments)
    print(errno.errorcode[ctypes.get_errno()])
"""


def test_raw_packet_and_vsock_sockets_and_namespaces_are_recorded(sandbox):
    result = sandbox.exec("python3", "-c", SCRIPT)
    assert result.text.split() == ["EPERM"] * 2 + ["EAFNOSUPPORT"] * 3 + ["EPERM"] * 3
    denied = {record["args"].get("fault") for record in result.denials if record.get("tool") == "net.send"}
    assert denied == {"raw socket", "packet socket", "VSOCK socket", "netlink socket (netfilter)"}
    events = [record["data"] for record in result.records if record.get("name") == "attempt_refused"]
    assert [event["what"] for event in events] == ["unshare", "setns", "mount"]

"""TUN devices that carry whole segments: a virtio header before each packet, up to 64 KB of TCP at once.

A device belongs to the network namespace in which its descriptor was opened, and is gone when that is closed.
Sources: Linux Documentation/networking/tuntap.rst, include/uapi/linux/if_tun.h and virtio_net.h.
"""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Final

CLONE_DEVICE: Final = "/dev/net/tun"
HEADER_BYTES: Final = 10
"""struct virtio_net_hdr: flags, gso_type, hdr_len, gso_size, csum_start, csum_offset."""
NO_OFFLOAD: Final = bytes(HEADER_BYTES)
"""The header of a packet that is complete as it is."""
FRAME_BYTES: Final = HEADER_BYTES + 65_536
"""No frame is longer."""

_TUNSETIFF, _TUNSETOFFLOAD = 0x400454CA, 0x400454D0
_IFF_TUN, _IFF_NO_PI, _IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
_CSUM, _TSO4, _TSO6, _TSO_ECN = 0x01, 0x02, 0x04, 0x08  # not UFO and USO: each datagram is judged by itself


def create(name: str) -> int:
    """Make a device of this name in the namespace of the caller; return its descriptor, non-blocking.

    Raises:
        OSError: There is no TUN here, or the namespace is not the caller's to change.
    """
    fd = os.open(CLONE_DEVICE, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI | _IFF_VNET_HDR))
        fcntl.ioctl(fd, _TUNSETOFFLOAD, _CSUM | _TSO4 | _TSO6 | _TSO_ECN)
    except OSError:
        os.close(fd)
        raise
    return fd

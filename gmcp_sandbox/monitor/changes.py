"""What a file would say after a call that waits for an answer, so that a person sees the change and not a piece of it.

Pure. Leaves to others: what the file says now (the filesystem shell), and the bound on its length.
"""

from __future__ import annotations

from gmcp_sandbox.calls.arguments import FsWrite
from gmcp_sandbox.calls.call import ToolCall


def proposed(call: ToolCall, before: bytes, *, is_whole: bool) -> bytes | None:
    """Return the file's content after a call; None when the call does not change any.

    Args:
        before: The file's content now.
        is_whole: The call's content is the whole file as it would be, not the bytes that are written.
    """
    args, extent = call.args, call.extent
    if not isinstance(args, FsWrite):
        return None
    if args.truncate:
        return b""
    if call.content is not None and is_whole:
        return call.content
    if extent is None:
        return None
    offset, length = extent
    if args.op == "truncate":
        return before[:offset].ljust(offset, b"\0")
    if call.content is None:
        return None
    end = offset + length
    start = max(0, end - len(call.content))  # it may begin with the end of the write before
    return before[:start].ljust(start, b"\0") + call.content + before[end:]

"""Content for a person to judge: escaped, line by line, bounded."""

from __future__ import annotations

from gmcp_sandbox.cli.terminal import visible

_LINES = 200


def shown_content(content: bytes, is_cut: bool) -> str:
    """Return content as lines that cannot steer the terminal, with its length and what was left out."""
    lines = content.decode("utf-8", "surrogateescape").split("\n")  # other ends of lines are shown as escapes
    if lines[-1] == "":
        lines.pop()
    shown = [f"  | {visible(line)}" for line in lines[:_LINES]]
    left = len(lines) - _LINES
    if left > 0:
        shown.append(f"  … {left} more lines")
    if is_cut:
        shown.append("  … and more that is not shown here")
    return "\n".join([f"  {len(content)} bytes:", *shown])

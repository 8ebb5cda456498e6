"""Text that cannot steer a terminal, for the front, which imports no command line code."""

from __future__ import annotations


def escaped(text: str) -> str:
    """Return the text with everything that is not printable, and backslashes, as escapes of Python's spelling."""
    return "".join(
        char if char.isprintable() and char != "\\" else char.encode("unicode_escape", "surrogatepass").decode("ascii")
        for char in text
    )

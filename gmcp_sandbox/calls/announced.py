"""The system calls that the kernel asks about before they happen (seccomp user notification): pure data.

Each costs its caller a visit of another process, so none may be here that programs make often.
"""

from __future__ import annotations

NOTIFIED = ("execve", "execveat")
"""Announced with their words; judged when the kernel opens the file."""

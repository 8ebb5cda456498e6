"""gmcp-sandbox: run an AI agent where every system call that matters is a judged, recorded tool call."""

__version__ = "0.1.0"

"""`help`: explain a topic. The texts lie in `gmcp_sandbox/topics`, one file each.

A text is plain: its first line is the title, `# ` begins a heading, what is indented is shown as it is, and everything
else is a paragraph that is wrapped to the terminal.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from gmcp_sandbox.cli.parsing import near
from gmcp_sandbox.cli.terminal import Painter, columns
from gmcp_sandbox.errors import UsageError

if TYPE_CHECKING:
    from gmcp_sandbox.cli.main import Subparsers

TOPICS = (
    "start",
    "profiles",
    "labels",
    "rules",
    "network",
    "servers",
    "questions",
    "record",
    "gate",
    "limits",
    "exit-codes",
    "files",
)
"""In the order in which one would read them."""
_SAME = {
    "approvals": "questions",
    "approve": "questions",
    "ask": "questions",
    "audit": "record",
    "log": "record",
    "probe": "gate",
    "model": "gate",
    "constitution": "rules",
    "principles": "rules",
    "taint": "rules",
    "cel": "rules",
    "demotion": "rules",
    "ceiling": "profiles",
    "trust": "profiles",
    "gmcp.toml": "profiles",
    "net": "network",
    "mcp": "servers",
    "pins": "servers",
    "status": "exit-codes",
    "state": "files",
    "config": "files",
    "quickstart": "start",
}
"""Other words for a topic."""
_DIRECTORY = Path(__file__).resolve().parent.parent / "topics"
_WIDEST = 100
_NARROWEST = 40


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "help",
        help="explain a topic, for example `help start`",
        description="Explain a topic. Without one: list them.",
        epilog="Example: gmcp-sandbox help start",
    )
    parser.add_argument("topic", nargs="?", metavar="TOPIC", help=f"one of {', '.join(TOPICS)}; or a command")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the topic, the help of a command of that name, or the list.

    Raises:
        UsageError: There is neither.
    """
    from gmcp_sandbox.cli.main import COMMANDS, main

    painter = Painter(sys.stdout, args.color)
    word = args.topic
    topic = word if word in TOPICS or word is None else _SAME.get(word.lower())
    if word is None:
        print("\n".join(contents(painter)))
    elif topic is not None:
        print("\n".join(render(text_of(topic), painter, _width())))
    elif word in COMMANDS:
        return main([word, "--help"])
    else:
        found = near(word, (*TOPICS, *COMMANDS))
        hint = f"did you mean {found!r}?" if found else f"topics are {', '.join(TOPICS)}"
        raise UsageError(f"there is no topic {word!r}", hint=hint)
    return 0


def text_of(topic: str) -> str:
    """Return the text of a topic."""
    return (_DIRECTORY / f"{topic}.txt").read_text(encoding="utf-8")


def contents(painter: Painter) -> list[str]:
    """Return the list of topics with their titles."""
    rows = columns([(topic, text_of(topic).partition("\n")[0]) for topic in TOPICS])
    return [painter.paint("gmcp-sandbox help TOPIC", "bold"), "", *(f"  {row}" for row in rows)]


def render(text: str, painter: Painter, width: int) -> list[str]:
    """Return a text in lines of at most this width; what is indented keeps its own."""
    title, *rest = text.splitlines()
    lines = [painter.paint(title, "bold")]
    for kind, block in groupby(rest, _kind):
        if kind == "paragraph":
            lines += textwrap.wrap(" ".join(block), width, break_long_words=False, break_on_hyphens=False)
        elif kind == "heading":
            lines += (painter.paint(line.removeprefix("# "), "bold") for line in block)
        else:
            lines += block
    return lines


def _kind(line: str) -> str:
    if line.startswith("# "):
        return "heading"
    return "verbatim" if not line or line.startswith("  ") else "paragraph"


def _width() -> int:
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))

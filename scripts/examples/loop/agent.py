"""An LLM loop with tools, in plain Python: ask the model, do what it asks for, tell it what came of it.

    ollama serve                        or any server that speaks the OpenAI protocol, on port 11434 of this machine
    cd scripts/examples/loop
    gmcp-sandbox profile trust          once, and after each change of gmcp.toml
    gmcp-sandbox exec agent.py "Add today's tasks to notes.txt"

The tools have no checks of their own: whatever the model asks for is tried. What it may not have is refused by the
sandbox, and the refusal goes back to the model as the tool's answer, so that it can go on with something else.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODEL_SERVER = "http://host.gmcp.internal/v1/chat/completions"  # what gmcp.toml maps to this machine's own server
MODEL = "qwen3"
MOST_TURNS = 20


def read_file(path: str) -> str:
    """Return a file's text."""
    return Path(path).read_text()


def write_file(path: str, text: str) -> str:
    """Replace a file's text."""
    Path(path).write_text(text)
    return f"wrote {len(text)} characters"


def fetch(url: str) -> str:
    """Return what a web address answers."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode(errors="replace"))


TOOLS: dict[str, Callable[..., str]] = {"read_file": read_file, "write_file": write_file, "fetch": fetch}


def described(name: str) -> dict[str, Any]:
    """Return a tool as the model wants it described: its arguments are all texts."""
    names = [each for each in TOOLS[name].__annotations__ if each != "return"]
    parameters = {"type": "object", "properties": {each: {"type": "string"} for each in names}, "required": names}
    return {
        "type": "function",
        "function": {"name": name, "description": TOOLS[name].__doc__, "parameters": parameters},
    }


def ask(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the model's next message."""
    question = {"model": MODEL, "messages": messages, "tools": [described(name) for name in TOOLS]}
    request = urllib.request.Request(MODEL_SERVER, json.dumps(question).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        message: dict[str, Any] = json.load(answer)["choices"][0]["message"]
    return message


def answer_to(call: dict[str, Any]) -> dict[str, Any]:
    """Do what the model asks for; return the message that tells it what came of it."""
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    try:
        result = TOOLS[name](**json.loads(arguments))
    except OSError as error:  # a file or host that the sandbox refuses is an error of the system like any other
        result = f"refused: {error}"
    except (KeyError, TypeError, ValueError) as error:
        result = f"no such tool, or wrong arguments: {error}"
    print(f"  {name} {arguments} -> {result.splitlines()[0] if result else 'nothing'}")
    return {"role": "tool", "tool_call_id": call["id"], "content": result}


def main(task: str) -> None:
    """Work on a task until the model says that it is done."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": task}]
    for _ in range(MOST_TURNS):
        message = ask(messages)
        messages.append(message)
        if not message.get("tool_calls"):
            print(message["content"])
            return
        messages += [answer_to(call) for call in message["tool_calls"]]
    print(f"gave up after {MOST_TURNS} turns")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "Say what you can do here.")

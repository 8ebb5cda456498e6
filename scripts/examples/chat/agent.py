"""An interactive agent on a terminal: you talk, it runs commands, and you are asked before it deletes anything.

    ollama serve                        or any server that speaks the OpenAI protocol, on port 11434 of this machine
    cd scripts/examples/chat
    gmcp-sandbox profile trust          once, and after each change of gmcp.toml
    gmcp-sandbox exec agent.py

Line editing, history and Ctrl-C work as outside. What the model wants to run is run by the shell without a question of
the agent's own: whether a command may have its effects is decided by the sandbox, effect by effect, and where gmcp.toml
says "ask", the question appears here, from outside of the agent. The agent can neither answer nor hide it.
"""

from __future__ import annotations

import contextlib
import json
import readline  # noqa: F401 - line editing and history at the prompt
import subprocess
import urllib.request
from typing import Any

MODEL_SERVER = "http://host.gmcp.internal/v1/chat/completions"
MODEL = "qwen3"
RUN = {
    "type": "function",
    "function": {
        "name": "run",
        "description": "Run a shell command in the project's directory and return what it prints.",
        "parameters": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
    },
}


def ask(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the model's next message."""
    question = {"model": MODEL, "messages": messages, "tools": [RUN]}
    request = urllib.request.Request(MODEL_SERVER, json.dumps(question).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        message: dict[str, Any] = json.load(answer)["choices"][0]["message"]
    return message


def run(command: str) -> str:
    """Run a command; return what it printed, and how it ended where it did not end well."""
    print(f"$ {command}", flush=True)
    pipe, both = subprocess.PIPE, subprocess.STDOUT
    try:
        done = subprocess.run(["sh", "-c", command], check=False, stdout=pipe, stderr=both, text=True)
    except OSError as error:  # the command line itself was refused, before anything of it ran
        print(f"refused: {error.strerror}", flush=True)
        return f"refused: {error}"
    print(done.stdout, end="", flush=True)
    return done.stdout + (f"(status {done.returncode})" if done.returncode else "")


def turn(messages: list[dict[str, Any]]) -> str:
    """Let the model work until it has something to say; return that."""
    while True:
        message = ask(messages)
        messages.append(message)
        calls = message.get("tool_calls") or []
        if not calls:
            return str(message["content"])
        for call in calls:
            output = run(json.loads(call["function"]["arguments"])["command"])
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": output})


def main() -> None:
    """Talk until the end of the input."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": "You help with the project in this directory."}]
    with contextlib.suppress(EOFError):
        while True:
            messages.append({"role": "user", "content": input("you> ")})
            try:
                print(f"agent> {turn(messages)}")
            except OSError as error:
                print(f"no model: {error}")
            except KeyboardInterrupt:
                print("stopped")
    print()


if __name__ == "__main__":
    main()

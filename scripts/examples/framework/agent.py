"""An agent of a framework from PyPI (Pydantic AI): nothing in it knows of the sandbox.

    pip install 'pydantic-ai-slim[openai]'
    ollama serve                        or any server that speaks the OpenAI protocol, on port 11434 of this machine
    cd scripts/examples/framework
    gmcp-sandbox profile trust          once, and after each change of gmcp.toml
    gmcp-sandbox exec agent.py "Add today's tasks to notes.txt"

The framework is found where you installed it: the view shows the python3 of your shell with its packages, read-only.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic_ai import Agent, ModelRetry
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

MODEL = OpenAIChatModel(
    "qwen3",
    provider=OpenAIProvider(base_url="http://host.gmcp.internal/v1", api_key="none is needed"),
)
agent = Agent(MODEL, instructions="You keep the notes of a project. Say what you were refused.", retries=3)


@agent.tool_plain
def read_file(path: str) -> str:
    """Return a file's text."""
    try:
        return Path(path).read_text()
    except OSError as error:
        raise ModelRetry(f"refused: {error}") from None  # the model is told, and may try something else


@agent.tool_plain
def write_file(path: str, text: str) -> str:
    """Replace a file's text."""
    try:
        return f"wrote {Path(path).write_text(text)} characters"
    except OSError as error:
        raise ModelRetry(f"refused: {error}") from None


if __name__ == "__main__":
    print(agent.run_sync(" ".join(sys.argv[1:]) or "Say what you can do here.").output)

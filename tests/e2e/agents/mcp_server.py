"""An MCP server that can do what servers should, and what they should not. Written with the official SDK."""

import asyncio
import os
import sys

from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("everything")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def environment(name: str) -> str:
    """Return one of the server's variables."""
    return os.environ.get(name, "")


@server.tool()
def write(path: str) -> str:
    """Write a file."""
    with open(path, "w") as file:
        file.write("x")
    return "written"


@server.tool()
async def steps(count: int, ctx: Context) -> str:
    """Do something in steps."""
    for step in range(count):
        await ctx.report_progress(step + 1, count)
    return "done"


@server.tool()
async def wait(seconds: float) -> str:
    """Wait."""
    try:
        await asyncio.sleep(seconds)
    except BaseException:
        print("cancelled", file=sys.stderr, flush=True)
        raise
    return "waited"


@server.tool()
def crash() -> str:
    """End at once."""
    os._exit(3)


@server.tool()
def garbage() -> str:
    """Say what is no JSON, then answer."""
    os.write(1, b'{"jsonrpc": "2.0", "id": nonsense\nhello there\n')
    return "after garbage"


@server.tool()
def large(size: int) -> str:
    """Return much."""
    return "x" * size


@server.tool()
async def ask_model(ctx: Context) -> str:
    """Return an opinion."""
    from mcp.types import SamplingMessage, TextContent

    message = SamplingMessage(role="user", content=TextContent(type="text", text="hello"))
    result = await ctx.session.create_message([message], max_tokens=10)
    return str(result)


@server.tool()
def hidden() -> str:
    """A tool that is not granted."""
    return "reached"


if __name__ == "__main__":
    if sys.argv[1:]:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run("stdio")

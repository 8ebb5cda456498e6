"""Makes a list of calls (standard input) with the official client, over both ways at once, and prints the answers."""

import json
import os
import sys
from contextlib import asynccontextmanager

import anyio
from mcp import ClientSession, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

with open(os.environ["GMCP_MCP_CONFIG"]) as file:
    SERVERS = json.load(file)["mcpServers"]
found = {}


@asynccontextmanager
async def connected(way, name):
    if way == "http":
        opened = streamable_http_client(f"http://mcp.gmcp.internal/{name}")
    else:
        entry = SERVERS[name]
        opened = stdio_client(StdioServerParameters(command=entry["command"], args=entry["args"]))
    async with opened as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        yield session


async def call(session, tool, arguments):
    try:
        result = await session.call_tool(tool, arguments)
    except MCPError as error:
        return {"code": error.error.code, "message": error.error.message}
    said = [part.text if part.type == "text" else part.type for part in result.content]
    return {"said": "\n".join(said), "is_error": bool(result.is_error)}


async def drive(way, name, calls):
    async with connected(way, name) as session:
        tools = sorted(tool.name for tool in (await session.list_tools()).tools)
        answers = [await call(session, tool, arguments) for tool, arguments in calls]
    found.setdefault(way, {})[name] = {"tools": tools, "answers": answers}


async def main():
    wanted = json.loads(sys.stdin.read())
    async with anyio.create_task_group() as tasks:
        for way in ("http", "stdio"):
            for name, calls in wanted.items():
                tasks.start_soon(drive, way, name, calls)
    print(json.dumps(found))


anyio.run(main)

"""An agent that calls MCP tools with the official client, over the way that it is told, and prints what came of it."""

import json
import os
import sys
import time
from contextlib import asynccontextmanager

import anyio
from mcp import ClientSession, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

found = {}
"""What came of each thing, of the way that is tried now."""


@asynccontextmanager
async def connected(way, name):
    if way == "http":
        opened = streamable_http_client(f"http://mcp.gmcp.internal/{name}")
    elif way == "stdio":
        with open(os.environ["GMCP_MCP_CONFIG"]) as file:
            entry = json.load(file)["mcpServers"][name]
        opened = stdio_client(StdioServerParameters(command=entry["command"], args=entry["args"]))
    else:
        opened = stdio_client(StdioServerParameters(command=way, args=json.loads(name), env=dict(os.environ)))
    async with opened as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        yield session


async def call(session, tool, arguments, **how):
    try:
        result = await session.call_tool(tool, arguments, **how)
    except MCPError as error:
        return {"error": error.error.code, "message": error.error.message}
    return {"text": "".join(part.text for part in result.content if part.type == "text"), "is_error": result.is_error}


async def everything(session):
    found["tools"] = sorted(tool.name for tool in (await session.list_tools()).tools)
    found["add"] = await call(session, "add", {"a": 2, "b": 3})
    found["wrong type"] = await call(session, "add", {"a": "two", "b": 3})
    found["unknown argument"] = await call(session, "add", {"a": 2})
    found["hidden"] = await call(session, "hidden", {})
    found["secret of the server"] = await call(session, "environment", {"name": "SERVER_KEY"})
    found["write"] = await call(session, "write", {"path": "/etc/mine"})
    progress = []

    async def heard(done, total, message):
        progress.append(done)

    found["steps"] = await call(session, "steps", {"count": 3}, progress_callback=heard)
    found["progress"] = progress
    found["garbage"] = await call(session, "garbage", {})
    found["large"] = await call(session, "large", {"size": 3_000_000})
    found["sampling"] = await call(session, "ask_model", {})
    begun = time.monotonic()
    found["deadline"] = await call(session, "wait", {"seconds": 600})
    found["deadline seconds"] = time.monotonic() - begun
    answers = []

    async def one(number):
        answer = await call(session, "add", {"a": number, "b": 1})
        answers.append(answer.get("text") or str(answer))

    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(one, number)
    found["parallel"] = sorted(answers)
    found["crash"] = await call(session, "crash", {})
    found["after crash"] = await call(session, "add", {"a": 4, "b": 5})


async def main():
    all_found = {}
    for way, name in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        found.clear()
        async with connected(way, name) as session:
            await everything(session)
        all_found[way] = dict(found)
    print(json.dumps(all_found))


anyio.run(main)

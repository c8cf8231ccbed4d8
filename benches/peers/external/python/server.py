"""The official Python SDK, stateless in both eras, on uvicorn with uvloop.

Arguments: a JSON file with the tools, and `json` or `sse`.
"""

import asyncio
import json
import os
import socket
import sys
import threading
from pathlib import Path

import mcp_types as types
import uvicorn
import uvloop
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

TOOLS = [types.Tool.model_validate(tool) for tool in json.loads(Path(sys.argv[1]).read_text())]


async def list_tools(context, params):
    return types.ListToolsResult(tools=TOOLS)


async def call_tool(context, params):
    arguments = params.arguments or {}
    match params.name:
        case "add":
            return text(str(arguments["a"] + arguments["b"]))
        case "multiply":
            return text(str(arguments["a"] * arguments["b"]))
        case "echo":
            return text(arguments["text"])
        case "countdown":
            total = arguments["from"]
            for progress in range(1, total + 1):
                if arguments["interval_ms"] > 0:
                    await asyncio.sleep(arguments["interval_ms"] / 1000)
                await context.session.report_progress(progress, total)
            return text("done")
    raise ValueError(f"no tool {params.name}")


def text(value):
    return types.CallToolResult(content=[types.TextContent(type="text", text=value)])


def end_with_the_parent():
    while sys.stdin.readline():
        pass
    os._exit(0)


async def main():
    server = Server("peers", version="1.0.0", on_list_tools=list_tools, on_call_tool=call_tool)
    manager = StreamableHTTPSessionManager(
        server, json_response=sys.argv[2] == "json", stateless=True
    )

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    # No framework in between: the manager is the application.
    config = uvicorn.Config(
        manager.asgi_app,
        access_log=False,
        http="httptools",
        lifespan="off",
        log_level="error",
        loop="uvloop",
        timeout_keep_alive=3600,
    )
    async with manager.run():
        listener.listen(1024)
        print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
        await uvicorn.Server(config).serve(sockets=[listener])


threading.Thread(target=end_with_the_parent, daemon=True).start()
uvloop.run(main())

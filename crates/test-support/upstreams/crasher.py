"""The upstream that dies: on demand, at its start, or by never answering.

`mcp` 1.x over stdio: `crasher.py [--crash-on-start]`. It leaves a grandchild behind that inherits
its standard streams, as a wrapper script's child does: whoever ends only this process leaves the
grandchild running, and whoever waits for the end of its output waits for the grandchild.
"""

import os
import subprocess
import sys

import anyio
from mcp.server.fastmcp import FastMCP

CRASHED = 3

if "--crash-on-start" in sys.argv[1:]:
    sys.exit(CRASHED)

sleeper = subprocess.Popen(["sleep", "1000"])
server = FastMCP("crasher", log_level="WARNING")


@server.tool()
def ok() -> str:
    """Answers."""
    return "ok"


@server.tool()
def grandchild() -> int:
    """The id of the process that this one has started."""
    return sleeper.pid


@server.tool()
async def crash() -> None:
    """Ends the process without an answer."""
    os._exit(CRASHED)


@server.tool()
async def hang() -> None:
    """Never answers, unless it is cancelled."""
    await anyio.sleep_forever()


server.run()

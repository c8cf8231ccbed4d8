"""The well-behaved upstream, with something of everything that the legacy revisions have.

`mcp` 1.x. Serves stdio; with `--http PORT` stateful Streamable HTTP on 127.0.0.1. Not called
`math.py`, since it would then be what Python finds whenever a library imports `math`.
"""

import argparse
import os

import anyio
from mcp.server.fastmcp import Context, FastMCP
from mcp.types import Completion, PromptReference
from pydantic import BaseModel

NAMES = ["Ada", "Alan", "Emmy", "Euclid"]
STEP_SECONDS = 0.02

server = FastMCP("arithmetic", instructions="Adds and multiplies.", log_level="WARNING")


class Name(BaseModel):
    name: str


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def multiply(a: int, b: int) -> int:
    """Multiplies two numbers."""
    return a * b


@server.tool()
def whoami() -> int:
    """The id of the process that answers."""
    return os.getpid()


@server.tool()
async def slow_progress(steps: int, context: Context) -> str:
    """Reports progress and logs at each of its steps."""
    for step in range(1, steps + 1):
        await context.report_progress(step, steps, f"step {step}")
        await context.info(f"did step {step}")
        await anyio.sleep(STEP_SECONDS)
    return f"did {steps} steps"


@server.tool()
async def ask_name(context: Context) -> str:
    """Asks the client's user for a name, and greets."""
    answer = await context.elicit("What is your name?", Name)
    if answer.action != "accept":
        return f"The user said {answer.action}."
    return f"Hello, {answer.data.name}!"


@server.prompt()
def greet(name: str) -> str:
    """Greets somebody."""
    return f"Greet {name}."


@server.resource("math://constants/pi")
def pi() -> str:
    """The ratio of a circle's circumference to its diameter."""
    return "3.14159"


@server.resource("math://square/{n}")
def square(n: int) -> str:
    """The square of a number."""
    return str(n * n)


@server.completion()
async def complete(reference, argument, _context):
    wanted = (reference.name, argument.name) if isinstance(reference, PromptReference) else None
    if wanted == ("greet", "name"):
        return Completion(values=[name for name in NAMES if name.startswith(argument.value)])
    return None


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--http", type=int, metavar="PORT", help="serve HTTP instead of stdio")
    port = arguments.parse_args().http
    if port is None:
        server.run()
    else:
        from serving import serve

        serve(server.streamable_http_app(), port)


main()

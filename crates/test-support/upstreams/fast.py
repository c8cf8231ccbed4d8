"""A server on FastMCP, as its own documentation would write it.

`fastmcp` 4.x. Serves stdio; with `--http` Streamable HTTP on a free port of 127.0.0.1.
"""

import sys

from fastmcp import Context, FastMCP
from pydantic import BaseModel

server = FastMCP("fast", version="1.0.0", instructions="Adds, and asks for names.")


class Name(BaseModel):
    name: str


@server.tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool
async def steps(count: int, context: Context) -> str:
    """Reports progress and logs at each of its steps."""
    for step in range(1, count + 1):
        await context.report_progress(step, count, f"step {step}")
        await context.info(f"did step {step}")
    return f"did {count} steps"


@server.tool
async def ask_name(context: Context) -> str:
    """Asks the client's user for a name, and greets."""
    answer = await context.elicit("What is your name?", response_type=Name)
    if answer.action != "accept":
        return f"The user said {answer.action}."
    return f"Hello, {answer.data.name}!"


@server.tool
def fail() -> str:
    """Fails."""
    raise ValueError("out of luck")


@server.prompt
def greet(name: str) -> str:
    """Greets somebody."""
    return f"Greet {name}."


@server.resource("fast://constants/pi")
def pi() -> str:
    """The ratio of a circle's circumference to its diameter."""
    return "3.14159"


@server.resource("fast://square/{n}")
def square(n: int) -> str:
    """The square of a number."""
    return str(n * n)


if "--http" in sys.argv[1:]:
    from serving import serve

    serve(server.http_app(), 0)
else:
    server.run(show_banner=False)

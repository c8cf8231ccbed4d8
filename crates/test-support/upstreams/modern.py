"""An upstream of revision 2026-07-28 over stateless HTTP: it asks by answering `input_required`.

`mcp` 2.x: `modern.py [--port PORT]`. The SDK serves clients of the legacy revisions too, so the
tool `revision` tells by which one it was called.
"""

import argparse
from typing import Annotated

from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import Context, Elicit, MCPServer, Resolve
from pydantic import BaseModel
from serving import serve

server = MCPServer(
    "modern",
    version="1.0.0",
    instructions="Adds, and asks for names.",
    log_level="WARNING",
)


class Name(BaseModel):
    name: str


async def asked_name() -> Elicit[Name]:
    return Elicit("What is your name?", Name)


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def ask_name(answer: Annotated[ElicitationResult[Name], Resolve(asked_name)]) -> str:
    """Asks the client's user for a name, and greets."""
    if not isinstance(answer, AcceptedElicitation):
        return f"The user said {answer.action}."
    return f"Hello, {answer.data.name}!"


@server.tool()
def revision(context: Context) -> str:
    """The protocol revision of this very request."""
    return context.protocol_version


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, default=0)
serve(server.streamable_http_app(stateless_http=True), arguments.parse_args().port)

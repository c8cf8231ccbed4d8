"""An upstream of both eras whose handler asks on its way, which only the legacy revisions allow.

`mcp` 2.x over stdio. In 2026-07-28 the same tool fails.
"""

from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel

server = MCPServer("both-eras", version="1.0.0", log_level="WARNING")


class Name(BaseModel):
    name: str


@server.tool()
async def ask_name(context: Context) -> str:
    """Asks the client's user for a name, and greets."""
    answer = await context.elicit("What is your name?", Name)
    if answer.action != "accept":
        return f"The user said {answer.action}."
    return f"Hello, {answer.data.name}!"


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def revision(context: Context) -> str:
    """The protocol revision of this very request."""
    return context.protocol_version


server.run()

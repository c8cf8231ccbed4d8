"""The stories with `mcp` 1.x, which knows only the `initialize` handshake."""

from contextlib import asynccontextmanager

import httpx
from mcp import ClientSession, McpError, types
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl

import oauth
import stories

# Only bounds how long an answer that never comes can hold up a test.
LIMIT_SECONDS = 120


class Client:
    def __init__(self, session, version):
        self.library = session
        self.types = types
        self.version = version

    async def tools(self):
        return [tool.name for tool in (await self.library.list_tools()).tools]

    async def call(self, name, arguments, on_progress=None):
        try:
            result = await self.library.call_tool(name, arguments, progress_callback=on_progress)
        except McpError as refused:
            raise stories.Refused(refused.error.code, refused.error.message) from refused
        return result.content[0].text, result.isError

    async def read(self, uri):
        try:
            return await self.library.read_resource(AnyUrl(uri))
        except McpError as refused:
            raise stories.Refused(refused.error.code, refused.error.message) from refused


@asynccontextmanager
async def connect(era, url, answer=None, *, headers=None, auth=None, logs=None, **callbacks):
    if era != "legacy":
        raise ValueError(f"mcp 1.x has no era {era!r}")
    asked = stories.answering(answer, types.ElicitResult)
    callbacks |= {"elicitation_callback": asked, "logging_callback": logs}
    async with (
        httpx.AsyncClient(headers=headers, auth=auth, timeout=LIMIT_SECONDS) as http,
        streamable_http_client(url, http_client=http) as (read, write, session_id),
        ClientSession(read, write, **callbacks) as session,
    ):
        initialized = await session.initialize()
        yield Client(session, initialized.protocolVersion)
        stories.expect("the session's id", session_id(), None)


def application(url):
    """Registers dynamically."""
    return oauth.Application(url, lambda code, state, _issuer: (code, state))


if __name__ == "__main__":
    stories.main(connect, application)

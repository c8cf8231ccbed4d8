"""The stories with `mcp` 2.x.

Its eras: `auto` asks `server/discover` and falls back to the handshake, `pinned` speaks the modern
revision from the first request on, `legacy` does the handshake.
"""

from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
import mcp
from mcp import types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult
from mcp.shared.exceptions import MCPError

import oauth
import stories

# Only bounds how long an answer that never comes can hold up a test.
LIMIT_SECONDS = 120

MODES = {"auto": "auto", "pinned": "2026-07-28", "legacy": "legacy"}


class Client:
    def __init__(self, client):
        self.library = client
        self.types = types
        self.version = client.protocol_version

    async def tools(self):
        return [tool.name for tool in (await self.library.list_tools()).tools]

    async def call(self, name, arguments, on_progress=None):
        try:
            result = await self.library.call_tool(name, arguments, progress_callback=on_progress)
        except MCPError as refused:
            raise stories.Refused(refused.code, refused.message) from refused
        return result.content[0].text, result.is_error

    async def read(self, uri):
        try:
            return await self.library.read_resource(uri)
        except MCPError as refused:
            raise stories.Refused(refused.code, refused.message) from refused


@asynccontextmanager
async def connect(era, url, answer=None, *, auth=None, logs=None, **callbacks):
    asked = stories.answering(answer, types.ElicitResult)
    # In the modern era a client hears of what is logged only if it names a level.
    level = "debug" if logs else None
    callbacks |= {"elicitation_callback": asked, "logging_callback": logs, "log_level": level}
    async with AsyncExitStack() as stack:
        server = url
        if auth:
            http = await stack.enter_async_context(httpx2.AsyncClient(auth=auth, timeout=LIMIT_SECONDS))
            server = streamable_http_client(url, http_client=http)
        yield Client(await stack.enter_async_context(mcp.Client(server, mode=MODES[era], **callbacks)))


def application(url):
    """Is known by its metadata document."""

    def answer(code, state, issuer):
        return AuthorizationCodeResult(code=code, state=state, iss=issuer)

    return oauth.Application(url, answer, client_metadata_url=oauth.CLIENT_METADATA_URL)


if __name__ == "__main__":
    stories.main(connect, application)

"""What clients do with published servers that stand behind a gateway.

Usage: published.py ERA VERSION URL STORY [PREFIX [DIRECTORY]]

Each story is named after a server, whose tools and prompts have names that begin with PREFIX; the
server of files works in DIRECTORY, the one of repositories in the repository there. The client is
the one of the installed major version of `mcp`. A story can be told again and again.
"""

import importlib
import json
import sys
import uuid
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

import anyio

from stories import Refused, expect


def plain(result):
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)


def expect_in(what, expected, actual):
    if expected not in actual:
        raise AssertionError(f"{what}: {expected!r} is not in {actual!r}")


class Visitor:
    """A client that is connected, and calls the tools of one server by their own names."""

    def __init__(self, client, prefix):
        self.client = client
        self.library = client.library
        self.types = client.types
        self._prefix = prefix

    async def tools(self):
        """Those of the server, by their own names."""
        found = plain(await self.library.list_tools())["tools"]
        begin = len(self._prefix)
        return {tool["name"][begin:]: tool for tool in found if tool["name"].startswith(self._prefix)}

    async def call(self, tool, **arguments):
        return plain(await self.library.call_tool(self._prefix + tool, arguments))

    async def gets(self, expected, tool, **arguments):
        expect(f"{tool}({arguments})", await self.text(tool, **arguments), expected)

    async def text(self, tool, **arguments):
        """The text that a tool answers."""
        answer = await self.call(tool, **arguments)
        if answer.get("isError"):
            raise AssertionError(f"{tool}({arguments}) failed: {answer}")
        return answer["content"][0]["text"]

    async def fails(self, why, tool, **arguments):
        """A call that the tool, not the protocol, answers with an error."""
        answer = await self.call(tool, **arguments)
        expect(f"whether {tool}({arguments}) failed", answer.get("isError"), True)
        expect_in("why it failed", why, answer["content"][0]["text"])

    async def progress(self, tool, **arguments):
        """The steps that a call reports, and its text."""
        steps = []

        async def on_progress(progress, total, _message):
            steps.append((progress, total))

        answer = await self.client.call(self._prefix + tool, arguments, on_progress)
        return steps, answer

    async def prompts(self):
        return [prompt["name"] for prompt in plain(await self.library.list_prompts())["prompts"]]

    async def prompt(self, name, arguments):
        return plain(await self.library.get_prompt(self._prefix + name, arguments))["messages"]

    async def completed(self, prompt, argument, value, others=None):
        reference = self.types.PromptReference(type="ref/prompt", name=self._prefix + prompt)
        completed = await self.library.complete(reference, {"name": argument, "value": value}, others)
        return plain(completed)["completion"]["values"]

    async def resources(self):
        return [resource["uri"] for resource in plain(await self.library.list_resources())["resources"]]

    async def templates(self):
        found = plain(await self.library.list_resource_templates())["resourceTemplates"]
        return [template["uriTemplate"] for template in found]

    async def read(self, uri):
        return plain(await self.client.read(uri))["contents"][0]

    async def refuses(self, method, *arguments):
        """A request that is answered with an error of the protocol; gives its code."""
        try:
            answer = await method(*arguments)
        except Refused as refused:
            return refused.code
        raise AssertionError(f"{arguments} was answered {answer}")


class Stories:
    def __init__(self, library, era, revision, url, prefix="", directory=None):
        self._library = library
        self._connect = partial(library.connect, era, url)
        self._revision = revision
        self._prefix = prefix
        self._directory = directory and Path(directory)

    async def _visit(self, use, answer=None, **callbacks):
        async with self._connect(answer, **callbacks) as client:
            expect("the negotiated protocol version", client.version, self._revision)
            await use(Visitor(client, self._prefix))

    async def everything(self):
        await self._visit(self._everything_has_something_of_each_kind)
        await self._everything_asks()

        # What one client left in the session, the next one finds there.
        async def leave(visitor):
            answer = await visitor.call("gzip-file-as-resource", name="left.gz", data="data:text/plain,hello")
            expect("the link", answer["content"][0]["type"], "resource_link")

        async def find(visitor):
            found = await visitor.read("demo://resource/session/left.gz")
            expect("its type", found["mimeType"], "application/gzip")

        await self._visit(leave)
        await self._visit(find)

    async def _everything_has_something_of_each_kind(self, visitor):
        tools = await visitor.tools()
        for tool in ["echo", "get-sum", "get-tiny-image", "trigger-long-running-operation"]:
            expect_in("the tools", tool, tools)
        expect("its title", tools["echo"]["title"], "Echo Tool")
        expect("its hints", tools["echo"]["annotations"]["readOnlyHint"], True)

        await visitor.gets("Echo: Grüße, 世界 🌍", "echo", message="Grüße, 世界 🌍")
        await visitor.gets("The sum of 2 and 3 is 5.", "get-sum", a=2, b=3)
        await visitor.fails("message", "echo", wrong=True)
        weather = await visitor.call("get-structured-content", location="Chicago")
        expect("the text and what it says", json.loads(weather["content"][0]["text"]), weather["structuredContent"])
        image = (await visitor.call("get-tiny-image"))["content"][1]
        expect("the image's type", (image["type"], image["mimeType"]), ("image", "image/png"))
        error = (await visitor.call("get-annotated-message", messageType="error"))["content"][0]
        expect("its annotations", error["annotations"], {"priority": 1.0, "audience": ["user", "assistant"]})
        links = (await visitor.call("get-resource-links", count=3))["content"][1:]
        expect("the kinds of links", {link["type"] for link in links}, {"resource_link"})

        expected = [(step, 4) for step in range(1, 5)], (
            "Long running operation completed. Duration: 0.2 seconds, Steps: 4.",
            False,
        )
        expect("the steps", await visitor.progress("trigger-long-running-operation", duration=0.2, steps=4), expected)

        prompts = await visitor.prompts()
        for prompt in ["simple-prompt", "args-prompt", "completable-prompt", "resource-prompt"]:
            expect_in("the prompts", self._prefix + prompt, prompts)
        messages = await visitor.prompt("args-prompt", {"city": "Rome"})
        expect("the prompt", messages[0]["content"]["text"], "What's weather in Rome?")
        embedded = await visitor.prompt("resource-prompt", {"resourceType": "Text", "resourceId": "1"})
        resource = embedded[1]["content"]["resource"]
        expect("what it embeds", resource["uri"], "demo://resource/dynamic/text/1")
        departments = await visitor.completed("completable-prompt", "department", "S")
        expect("the departments", departments, ["Sales", "Support"])
        heads = await visitor.completed("completable-prompt", "name", "D", {"department": "Sales"})
        expect("the heads of sales", heads, ["David"])

        documents = [uri for uri in await visitor.resources() if "static/document" in uri]
        expect("how many documents there are", len(documents), 7)
        document = await visitor.read(documents[0])
        expect("the type of a document", document["mimeType"], "text/markdown")
        expect_in("the templates", "demo://resource/dynamic/text/{resourceId}", await visitor.templates())
        expect_in("the resource", "Resource 7:", (await visitor.read("demo://resource/dynamic/text/7"))["text"])
        expect_in("the bytes", "blob", await visitor.read("demo://resource/dynamic/blob/7"))
        await visitor.refuses(visitor.client.read, "demo://nowhere")

    async def _everything_asks(self):
        types = self._library.types

        async def sampled(_context, params):
            expect_in("what is to be sampled", "a haiku", params.messages[0].content.text)
            content = types.TextContent(type="text", text="An old silent pond")
            return types.CreateMessageResult(role="assistant", content=content, model="basho")

        async def rooted(_context):
            return types.ListRootsResult(roots=[types.Root(uri="file:///srv/work", name="work")])

        async def is_asked(visitor):
            tools = await visitor.tools()
            for tool in ["trigger-elicitation-request", "trigger-sampling-request", "get-roots-list"]:
                expect_in("the tools", tool, tools)
            answer = await visitor.call("trigger-elicitation-request")
            expect_in("what the user said", "Name: Ada", answer["content"][1]["text"])
            poem = await visitor.text("trigger-sampling-request", prompt="a haiku", maxTokens=20)
            expect_in("the model", "An old silent pond", poem)
            expect_in("the roots", "file:///srv/work", await visitor.text("get-roots-list"))

        async def says_no(visitor):
            expect_in("what the user said", "declined", await visitor.text("trigger-elicitation-request"))

        callbacks = {"sampling_callback": sampled, "list_roots_callback": rooted}
        await self._visit(is_asked, lambda _: {"name": "Ada"}, **callbacks)
        await self._visit(says_no, lambda _: None)

    async def filesystem(self):
        directory = self._directory / uuid.uuid4().hex
        path = str(directory / "letter.txt")

        async def write(visitor):
            await visitor.gets(f"Successfully created directory {directory}", "create_directory", path=str(directory))
            await visitor.text("write_file", path=path, content="Dear Ada,\nhow are you?\n")
            await visitor.text("edit_file", path=path, edits=[{"oldText": "how are you?", "newText": "come soon."}])

        async def read(visitor):
            await visitor.gets("Dear Ada,\ncome soon.\n", "read_text_file", path=path)
            await visitor.gets("Dear Ada,", "read_text_file", path=path, head=1)
            await visitor.gets("[FILE] letter.txt", "list_directory", path=str(directory))
            await visitor.gets(path, "search_files", path=str(directory), pattern="*.txt")
            # A client without tools' schemas would not notice structured content that does not fit.
            answer = await visitor.call("list_directory", path=str(directory))
            expect("the structured content", answer["structuredContent"], {"content": "[FILE] letter.txt"})
            await visitor.fails("Access denied", "read_text_file", path="/etc/hostname")
            await visitor.fails("ENOENT", "read_text_file", path=str(directory / "missing"))
            await visitor.fails("path", "read_text_file")

        await self._visit(write)
        expect("the file", Path(path).read_text(), "Dear Ada,\ncome soon.\n")
        await self._visit(read)
        await self._filesystem_keeps_to_its_directories()

    async def _filesystem_keeps_to_its_directories(self):
        """The roots of one client would be those of all: the server was started for all of them."""
        types = self._library.types

        async def rooted(_context):
            return types.ListRootsResult(roots=[types.Root(uri="file:///etc")])

        async def lists(visitor):
            allowed = await visitor.text("list_allowed_directories")
            expect("the directories", allowed, f"Allowed directories:\n{self._directory}")
            await visitor.fails("Access denied", "read_text_file", path="/etc/hostname")

        await self._visit(lists, list_roots_callback=rooted)

    async def memory(self):
        name = f"Ada {uuid.uuid4().hex}"
        entity = {"name": name, "entityType": "person", "observations": ["counts"]}
        relation = {"from": name, "to": name, "relationType": "knows"}

        async def remember(visitor):
            answer = await visitor.call("create_entities", entities=[entity])
            expect("what was created", answer["structuredContent"], {"entities": [entity]})
            await visitor.text("create_relations", relations=[relation])

        async def recall(visitor):
            graph = await visitor.call("read_graph")
            expect("the text and what it says", json.loads(graph["content"][0]["text"]), graph["structuredContent"])
            expect_in("the entities", entity, graph["structuredContent"]["entities"])
            expect_in("the relations", relation, graph["structuredContent"]["relations"])
            found = json.loads(await visitor.text("search_nodes", query=name))
            expect("what was found", found["entities"], [entity])
            expect_in("the resources", "memory://knowledge-graph", await visitor.resources())
            expect_in("the resource", name, (await visitor.read("memory://knowledge-graph"))["text"])
            nobody = [{"entityName": "Nobody", "contents": ["x"]}]
            await visitor.fails("Nobody", "add_observations", observations=nobody)

        async def forget(visitor):
            await visitor.text("delete_entities", entityNames=[name])
            expect("what is left", json.loads(await visitor.text("open_nodes", names=[name]))["entities"], [])

        for chapter in [remember, recall, forget]:
            await self._visit(chapter)

    async def time(self):
        async def convert(visitor):
            expect("the tools", sorted(await visitor.tools()), ["convert_time", "get_current_time"])
            # Neither place has a summer time.
            converted = json.loads(
                await visitor.text(
                    "convert_time", source_timezone="Asia/Kolkata", time="16:30", target_timezone="Asia/Tokyo"
                )
            )
            expect_in("the time in Tokyo", "T20:00:00+09:00", converted["target"]["datetime"])
            expect("the difference", converted["time_difference"], "+3.5h")
            now = await visitor.call("get_current_time", timezone="UTC")
            expect("the time zone", now["structuredContent"]["timezone"], "UTC")
            await visitor.fails("Nowhere/At", "get_current_time", timezone="Nowhere/At")
            await visitor.fails("HH:MM", "convert_time", source_timezone="UTC", time="25:00", target_timezone="UTC")

        await self._visit(convert)

    async def git(self):
        repository = self._directory
        name = uuid.uuid4().hex
        message = f"Add {name}"
        here = {"repo_path": str(repository)}

        async def commit(visitor):
            (repository / name).write_text("first\n")
            expect_in("the status", name, await visitor.text("git_status", **here))
            await visitor.gets("Files staged successfully", "git_add", **here, files=[name])
            staged = await visitor.text("git_diff_staged", **here)
            expect_in("what is staged", "+first", staged)
            committed = await visitor.text("git_commit", **here, message=message)
            expect_in("the commit", "Changes committed successfully with hash ", committed)
            await visitor.fails("No changes staged", "git_commit", **here, message="Nothing")

        async def log(visitor):
            expect_in("the log", message, await visitor.text("git_log", **here, max_count=1))
            expect_in("the last commit", "+first", await visitor.text("git_show", **here, revision="HEAD"))
            expect_in("the status", "working tree clean", await visitor.text("git_status", **here))
            await visitor.fails("outside the allowed repository", "git_status", repo_path="/")
            await visitor.fails("repo_path", "git_status")

        await self._visit(commit)
        await self._visit(log)

    async def fast(self):
        logged = []

        async def heard(params):
            logged.append(params.data["msg"])

        async def use(visitor):
            tools = await visitor.tools()
            expect("the tools", sorted(tools), ["add", "ask_name", "fail", "steps"])
            expect_in("the schema of its result", "outputSchema", tools["add"])
            answer = await visitor.call("add", a=10, b=20)
            expect("the sum", (answer["content"][0]["text"], answer["structuredContent"]), ("30", {"result": 30}))
            await visitor.fails("a\n", "add", a="ten", b=20)
            await visitor.fails("out of luck", "fail")
            steps = [(step, 3) for step in range(1, 4)]
            expect("the steps", await visitor.progress("steps", count=3), (steps, ("did 3 steps", False)))
            expect("the log", logged, ["did step 1", "did step 2", "did step 3"])

            expect_in("the prompts", f"{self._prefix}greet", await visitor.prompts())
            messages = await visitor.prompt("greet", {"name": "Ada"})
            expect("the prompt", messages[0]["content"]["text"], "Greet Ada.")
            expect_in("the resources", "fast://constants/pi", await visitor.resources())
            expect_in("the templates", "fast://square/{n}", await visitor.templates())
            expect("the constant", (await visitor.read("fast://constants/pi"))["text"], "3.14159")
            expect("the square", (await visitor.read("fast://square/7"))["text"], "49")
            await visitor.refuses(visitor.client.read, "fast://nowhere")

        await self._visit(use, logs=heard)

    async def fast_asks(self):
        async def is_asked(visitor):
            await visitor.gets("Hello, Ada!", "ask_name")

        async def says_no(visitor):
            await visitor.gets("The user said decline.", "ask_name")

        await self._visit(is_asked, lambda _: {"name": "Ada"})
        await self._visit(says_no, lambda _: None)

    async def chosen(self):
        """One client after another names the server that it wants in a header."""
        headers = {"x-mcp-servers": self._prefix}

        async with self._connect(headers=headers) as client:
            expect("the sum", await client.call("add", {"a": 10, "b": 20}), ("30", False))
        async with self._connect(headers=headers) as client:
            names = await client.tools()
            expect_in("the tools", "add", names)
            # One of the server that was not chosen.
            if any("steps" in name for name in names):
                raise AssertionError(f"another server's tools are among {names}")
            expect("the sum", await client.call("add", {"a": 100, "b": 200}), ("300", False))

    async def as_directly(self):
        """All lists are the same as those of the server without anything before it.

        `mcp` 1.x alone; the directory is the file with the server's entry.
        """
        McpError = self._library.McpError
        through = {}

        async def browse(visitor):
            through.update(await contents(visitor.library, McpError))

        await self._visit(browse, lambda _: None, **UNASKED)
        try:
            async with directly(json.loads(self._directory.read_text())) as session:
                direct = await contents(session, McpError)
        except* anyio.BrokenResourceError:
            # `mcp` 1.x stumbles over a server that says something while its client leaves.
            pass
        # Tools that can be called as tasks alone cannot be called through a gateway.
        direct["tools"] = [tool for tool in direct["tools"] if not needs_task(tool)]
        for what, expected in direct.items():
            expect(what, through[what], expected)


def needs_task(tool):
    return (tool.get("execution") or {}).get("taskSupport") == "required"


async def unasked(*_):
    """Makes a client declare a capability, whatever it would answer."""
    raise NotImplementedError


UNASKED = {"sampling_callback": unasked, "list_roots_callback": unasked}


@asynccontextmanager
async def directly(entry):
    """A session of `mcp` 1.x with the server of an entry, and nothing between."""
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client
    from mcp.client.streamable_http import streamable_http_client

    at = entry.get("url")
    transport = streamable_http_client(at) if at else stdio_client(StdioServerParameters(**entry))
    async with (
        transport as (read, write, *_),
        ClientSession(read, write, elicitation_callback=unasked, **UNASKED) as session,
    ):
        await session.initialize()
        yield session


async def contents(session, McpError):
    """What a server has, kind by kind; nothing of a kind that it does not know."""
    kinds = {
        "tools": session.list_tools,
        "prompts": session.list_prompts,
        "resources": session.list_resources,
        "resourceTemplates": session.list_resource_templates,
    }
    found = {}
    for kind, list_all in kinds.items():
        try:
            found[kind] = plain(await list_all())[kind]
        except McpError:
            found[kind] = []
    return found


def main():
    era, revision, url, story, *rest = sys.argv[1:]
    major = version("mcp").split(".")[0]
    stories = Stories(importlib.import_module(f"mcp{major}"), era, revision, url, *rest)
    print(f"story: {story}", flush=True)
    anyio.run(getattr(stories, story))


main()

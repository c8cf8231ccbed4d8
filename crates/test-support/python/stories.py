"""What every Python client must be able to do, whichever library and protocol era it is.

Usage: CLIENT.py ERA VERSION URL STORY...

A story may be told about tools with prefixes in their names, as `STORY:PREFIX,...`.

A client module hands `main` its `connect(era, url, answer, auth)`, an async context manager that
yields an object with `version` (the revision really negotiated), `tools()` (their names) and
`call(name, arguments, on_progress=None)`, which returns the result's text and whether the result
is an error, and raises `Refused` for a JSON-RPC error. Its `library` is the library's own client,
its `types` the library's types, and `read(uri)` reads a resource. What the server asks the user is answered by
`answer(message)`: the fields of the form, or None for a user who says no; without `answer`, the
client cannot be asked. A client with `auth`, the provider of an `oauth.Application`, gets access
tokens; `application(url)` makes one.
"""

import json
import sys
from dataclasses import dataclass

import anyio

CLIENTS_AT_ONCE = 20
# How long a client waits for a server that has died, and how often it tries.
ANSWER_SECONDS = 10
MOST_TRIES = 20
INVALID_PARAMS = -32602


def answering(answer, ElicitResult):
    """What both libraries call when the server asks; they differ in the type of the result."""

    async def callback(_context, params):
        fields = answer(params.message)
        return ElicitResult(action="decline" if fields is None else "accept", content=fields)

    return callback if answer else None


@dataclass
class Refused(Exception):
    code: int
    message: str


def is_wrong(fault):
    """Whether a failure is a wrong answer, rather than none."""
    if isinstance(fault, BaseExceptionGroup):
        return any(is_wrong(each) for each in fault.exceptions)
    return isinstance(fault, (AssertionError, KeyboardInterrupt))


def expect(what, actual, expected):
    if actual != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


class Stories:
    def __init__(self, connect, application, era, version, url):
        self._connect = lambda answer=None, **options: connect(era, url, answer, **options)
        self._application = lambda: application(url)
        self._version = version

    async def _gets(self, client, tool, a, b, expected):
        expect("the negotiated protocol version", client.version, self._version)
        answer = await client.call(tool, {"a": a, "b": b})
        expect(f"{tool}({a}, {b})", answer, (str(expected), False))

    async def _adds(self, client, a, b, prefix=""):
        await self._gets(client, f"{prefix}add", a, b, a + b)

    async def reconnecting(self, prefix="", scale=1):
        """A client comes, works and leaves; the next one finds the server as fresh as the first."""
        async with self._connect() as client:
            await self._adds(client, 10 * scale, 20 * scale, prefix)
        async with self._connect() as client:
            names = await client.tools()
            if f"{prefix}add" not in names:
                raise AssertionError(f"the second client does not find `{prefix}add` among {names}")
            await self._adds(client, 100 * scale, 200 * scale, prefix)

    async def merged(self, *prefixes):
        """The tools of several servers are listed by one, each once, and each can be called."""
        async with self._connect() as client:
            names = await client.tools()
            for prefix in prefixes:
                for tool, expected in [("add", 30), ("multiply", 200)]:
                    expect(f"how often {prefix}{tool} is listed", names.count(f"{prefix}{tool}"), 1)
                    await self._gets(client, f"{prefix}{tool}", 10, 20, expected)

    async def many_at_once(self):
        async with anyio.create_task_group() as clients:
            for scale in range(1, CLIENTS_AT_ONCE + 1):
                clients.start_soon(self.reconnecting, "", scale)

    async def progress(self):
        events = []

        async def on_progress(progress, total, message):
            events.append((progress, total, bool(message)))

        async with self._connect() as client:
            arguments = {"from": 3, "interval_ms": 10}
            events.append(await client.call("countdown", arguments, on_progress))
        expect(
            "the updates and then the result",
            events,
            [(1, 3, True), (2, 3, True), (3, 3, True), ("liftoff", False)],
        )

    async def errors(self):
        async with self._connect() as client:
            try:
                answer = await client.call("no_such_tool", {})
                raise AssertionError(f"an unknown tool answered {answer}")
            except Refused as refused:
                expect("the error of an unknown tool", refused.code, INVALID_PARAMS)
                if "no_such_tool" not in refused.message:
                    raise AssertionError(f"the tool's name is missing in {refused.message!r}")

            text, is_error = await client.call("echo", {"text": 7})
            if not is_error or "text" not in text:
                raise AssertionError(f"a number for a text answered {text!r}, {is_error=}")

            await self._adds(client, 1, 2)

    async def browsing(self):
        """Prompts, resources, a template and completion."""

        def plain(result):
            return result.model_dump(by_alias=True, mode="json", exclude_none=True)

        async with self._connect() as client:
            library = client.library
            names = [it["name"] for it in plain(await library.list_prompts())["prompts"]]
            if "test_prompt_with_arguments" not in names:
                raise AssertionError(f"the prompt is missing among {names}")
            got = await library.get_prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
            text = plain(got)["messages"][0]["content"]["text"]
            expect("the prompt", text, "Prompt with arguments: arg1='a', arg2='b'")

            uris = [it["uri"] for it in plain(await library.list_resources())["resources"]]
            if "test://static-binary" not in uris:
                raise AssertionError(f"the resource is missing among {uris}")
            contents = plain(await client.read("test://static-text"))["contents"]
            expect("the text", contents[0]["text"], "This is the content of the static text resource.")
            contents = plain(await client.read("test://static-binary"))["contents"]
            expect("the type of the bytes", contents[0]["mimeType"], "image/png")
            templates = plain(await library.list_resource_templates())["resourceTemplates"]
            expect("the template", templates[0]["uriTemplate"], "test://template/{id}/data")
            contents = plain(await client.read("test://template/7/data"))["contents"]
            expect("its id", json.loads(contents[0]["text"])["id"], "7")
            try:
                answer = await client.read("test://nowhere")
                raise AssertionError(f"a missing resource answered {answer}")
            except Refused as refused:
                code = -32602 if self._version == "2026-07-28" else -32002
                expect("the error of a missing resource", refused.code, code)

            prompt = client.types.PromptReference(type="ref/prompt", name="test_prompt_with_arguments")
            completed = await library.complete(prompt, {"name": "arg1", "value": "pa"})
            values = plain(completed)["completion"]["values"]
            expect("the suggestions", values, ["paris", "park", "party"])

    async def asking(self):
        """A tool asks the user twice; another user says no."""
        asked = []

        def answer(message):
            asked.append(message)
            return {"guests": 4} if "how many" in message else {"sure": True}

        async with self._connect(answer) as client:
            expect("the negotiated protocol version", client.version, self._version)
            ordered = await client.call("order", {"dish": "soup"})
        expect("the result", ordered, ("Ordered soup for 4.", False))
        expect("what was asked", asked, ["For how many?", "Order soup for 4?"])

        async with self._connect(lambda _: None) as client:
            text, is_error = await client.call("order", {"dish": "soup"})
        if not is_error or "declined" not in text:
            raise AssertionError(f"a user who says no got {text!r}, {is_error=}")

    async def greeting(self, *prefixes):
        """Servers of others ask the user for a name, which another user does not tell."""
        for prefix in prefixes:
            async with self._connect(lambda _: {"name": "Ada"}) as client:
                expect("the negotiated protocol version", client.version, self._version)
                expect(f"{prefix}ask_name", await client.call(f"{prefix}ask_name", {}), ("Hello, Ada!", False))
            async with self._connect(lambda _: None) as client:
                answer = await client.call(f"{prefix}ask_name", {})
                expect(f"{prefix}ask_name", answer, ("The user said decline.", False))

    async def authorizing(self):
        """A client without a token finds out where to get one, then asks for more, then renews it."""
        app = self._application()
        async with self._connect(auth=app.provider) as client:
            expect("the negotiated protocol version", client.version, self._version)
            expect("the tools", await client.tools(), ["read_notes", "write_note"])
            expect("the notes", await client.call("read_notes", {}), ("no notes", False))
            expect("what the user was asked for", app.visits, [{"notes:read"}])

            expect("the writer", await client.call("write_note", {"text": "milk"}), ("noted for ada", False))
            expect("what the user was asked for", app.visits[1:], [{"notes:read", "notes:write"}])
            # The token that may write expires soon, of which the user must not notice anything.
            while len(app.granted) < 3:
                expect("the notes", await client.call("read_notes", {}), ("milk", False))
                await anyio.sleep(0.05)
            expect("the writer", await client.call("write_note", {"text": "tea"}), ("noted for ada", False))
            expect("how often the user was asked", len(app.visits), 2)

    async def outliving(self, seconds):
        """Servers die all the time. What fails succeeds when it is done again, with a new connection."""

        def answer(message):
            return {"guests": 4} if "how many" in message else {"sure": True}

        async def works(number):
            with anyio.fail_after(ANSWER_SECONDS):
                async with self._connect(answer) as client:
                    for a in range(number, number + 5):
                        await self._adds(client, a, 1)
                    ordered = await client.call("order", {"dish": "soup"})
                    expect("the result", ordered, ("Ordered soup for 4.", False))

        end, calls, most = anyio.current_time() + int(seconds), 0, 0
        while anyio.current_time() < end:
            for tries in range(1, MOST_TRIES + 1):
                try:
                    await works(calls)
                    break
                except AssertionError:
                    raise
                except BaseException as fault:
                    if is_wrong(fault) or tries == MOST_TRIES:
                        raise
                    await anyio.sleep(0.3)
            calls, most = calls + 6, max(most, tries)
        print(f"outlived: {calls}, {most}", flush=True)

    async def cancelling(self):
        async with self._connect() as client:
            with anyio.CancelScope() as call:

                async def on_progress(*_):
                    call.cancel()

                arguments = {"from": 100_000, "interval_ms": 20}
                answer = await client.call("countdown", arguments, on_progress)
                raise AssertionError(f"the cancelled call answered {answer}")
            await self._adds(client, 3, 4)


def main(connect, application=None):
    era, version, url, *names = sys.argv[1:]

    async def tell():
        stories = Stories(connect, application, era, version, url)
        for name in names:
            print(f"story: {name}", flush=True)
            story, *prefixes = name.replace(":", ",").split(",")
            await getattr(stories, story)(*prefixes)

    anyio.run(tell)

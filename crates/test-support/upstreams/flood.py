"""The upstream that says more than anybody reads.

Plain Python over stdio, which is faster than the SDK. It complains to its standard error before it
reads anything, more than a pipe holds: if nobody reads that, it never gets to answer. While it
floods it reads nothing either.
"""

import json
import sys

COMPLAINTS_AT_START = 10_000
KIBIBYTE = 1024

FLOOD = {
    "name": "flood",
    "description": "Logs n times 1 KiB, with a line to standard error each, then answers n.",
    "inputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
}


class Refused(Exception):
    """A JSON-RPC error: its code and message."""


def complain(number):
    sys.stderr.write(f"flood: complaint {number} of very many, each about as long as this one\n")


def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")


def log(number):
    data = f"{number} ".ljust(KIBIBYTE, ".")
    params = {"level": "info", "logger": "flood", "data": data}
    send({"method": "notifications/message", "params": params})


def answer(method, params):
    match method:
        case "initialize":
            return {
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {}, "logging": {}},
                "serverInfo": {"name": "flood", "version": "1.0.0"},
            }
        case "ping" | "logging/setLevel":
            return {}
        case "tools/list":
            return {"tools": [FLOOD]}
        case "tools/call" if params["name"] == "flood":
            n = params["arguments"]["n"]
            for number in range(1, n + 1):
                log(number)
                complain(number)
            return {"content": [{"type": "text", "text": str(n)}]}
        case "tools/call":
            raise Refused(-32602, f"Unknown tool: {params['name']}")
        case _:
            raise Refused(-32601, "Method not found")


for number in range(COMPLAINTS_AT_START):
    complain(number)

for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request:
        continue
    try:
        said = {"result": answer(request["method"], request.get("params", {}))}
    except Refused as refused:
        code, message = refused.args
        said = {"error": {"code": code, "message": message}}
    send({"id": request["id"], **said})
    sys.stdout.flush()

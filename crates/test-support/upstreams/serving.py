"""Serves an ASGI application on this machine, and says where: what the Python upstreams share."""

import socket

import uvicorn


def serve(app, port):
    """Serves `app` until it is told to stop; port 0 takes a free one."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        # From here on clients can connect, even if the application is not up yet.
        print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])

// A stateful Streamable HTTP server whose sessions count: what `counter` and `forgetful` share.
//
// A session begins with `initialize`, which gets an id. Any other request without an id is answered
// 400, one with an unknown id 404. DELETE ends a session. GET /stats, which is not MCP, tells how
// many sessions were ever begun and how many live.

import { randomUUID } from 'node:crypto';

import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

import { json, listen, refuse, toolServer } from './serving.mjs';

// Serves for ever. A session is forgotten with its call number `forgetAfter`.
export function serveSessions(name, port, forgetAfter = Infinity) {
    const live = new Map();
    let initialized = 0;

    async function begin() {
        const transport = new StreamableHTTPServerTransport({
            sessionIdGenerator: randomUUID,
            onsessioninitialized: id => {
                initialized += 1;
                live.set(id, transport);
            },
        });
        transport.onclose = () => live.delete(transport.sessionId);

        let calls = 0;
        const called = value => {
            calls += 1;
            // Whatever comes from now on gets 404; the answer to this call is still sent.
            if (calls >= forgetAfter) live.delete(transport.sessionId);
            return value;
        };
        let count = 0;
        const server = toolServer(name, {
            count: {
                description: 'How often this session has called it',
                run: () => called((count += 1)),
            },
            sessions: {
                description: 'How many sessions this process has begun',
                run: () => called(initialized),
            },
        });
        await server.connect(transport);
        return transport;
    }

    listen(port, async (request, response) => {
        if (request.url === '/stats') return json(response, 200, { initialized, live: live.size });

        const id = request.headers['mcp-session-id'];
        if (id === undefined) {
            // A transport that is not initialized refuses everything but `initialize` with 400.
            const transport = await begin();
            return transport.handleRequest(request, response);
        }
        const transport = live.get(id);
        if (transport === undefined) return refuse(response, 404, -32001, 'Session not found');
        response.on('close', () => live.has(id) || transport.close());
        return transport.handleRequest(request, response);
    });
}

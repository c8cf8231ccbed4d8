// The legacy upstream without sessions: a new server for each POST, and no other method.
//
// Usage: nosession.mjs [--port PORT]

import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

import { listen, numbers, refuse, toolServer } from './serving.mjs';

const tools = {
    add: { description: 'Adds two numbers', integers: ['a', 'b'], run: ({ a, b }) => a + b },
};

listen(numbers({ port: 0 }).port, async (request, response) => {
    if (request.method !== 'POST') return refuse(response, 405, -32000, 'Method not allowed');
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    response.on('close', () => transport.close());
    await toolServer('nosession', tools).connect(transport);
    await transport.handleRequest(request, response);
});

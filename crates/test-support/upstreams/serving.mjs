// What the TypeScript upstreams share: an MCP server of a few tools, and the socket.

import { createServer } from 'node:http';
import { parseArgs } from 'node:util';

import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import {
    CallToolRequestSchema,
    ErrorCode,
    ListToolsRequestSchema,
    McpError,
} from '@modelcontextprotocol/sdk/types.js';

// `tools` has for each name `{ description, integers, run }`: `integers` are the names of the
// arguments, and `run` gets them as an object and returns what the result's text shall be.
export function toolServer(name, tools) {
    const server = new Server({ name, version: '1.0.0' }, { capabilities: { tools: {} } });
    server.setRequestHandler(ListToolsRequestSchema, () => ({
        tools: Object.entries(tools).map(([name, { description, integers = [] }]) => ({
            name,
            description,
            inputSchema: {
                type: 'object',
                properties: Object.fromEntries(integers.map(name => [name, { type: 'integer' }])),
                required: integers,
            },
        })),
    }));
    server.setRequestHandler(CallToolRequestSchema, ({ params }) => {
        if (!Object.hasOwn(tools, params.name)) {
            throw new McpError(ErrorCode.InvalidParams, `Unknown tool: ${params.name}`);
        }
        const text = String(tools[params.name].run(params.arguments));
        return { content: [{ type: 'text', text }] };
    });
    return server;
}

// The numbers that the command line gives as `--name NUMBER`, for each name in `defaults`.
export function numbers(defaults) {
    const names = Object.keys(defaults);
    const options = Object.fromEntries(names.map(name => [name, { type: 'string' }]));
    const { values } = parseArgs({ options });
    return Object.fromEntries(names.map(name => [name, Number(values[name] ?? defaults[name])]));
}

// Listens on 127.0.0.1 and says where; port 0 takes a free one.
export function listen(port, handle) {
    const server = createServer((request, response) => {
        handle(request, response).catch(error => {
            console.error(error);
            response.destroy();
        });
    });
    server.listen(port, '127.0.0.1', () => {
        console.log(`listening on http://127.0.0.1:${server.address().port}/mcp`);
    });
}

export function json(response, status, value) {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

export function refuse(response, status, code, message) {
    json(response, status, { jsonrpc: '2.0', error: { code, message }, id: null });
}

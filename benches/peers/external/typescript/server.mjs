// The official TypeScript SDK, stateless in both eras, on node:http.
// Arguments: a JSON file with the tools, and `json` or `sse`.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import {
    createMcpHandler,
    Server,
    WebStandardStreamableHTTPServerTransport
} from '@modelcontextprotocol/server';

const [toolsFile, mode] = process.argv.slice(2);
const tools = JSON.parse(readFileSync(toolsFile, 'utf8'));

async function callTool(request, context) {
    const { name, arguments: args, _meta } = request.params;
    switch (name) {
        case 'add':
            return text(String(args.a + args.b));
        case 'multiply':
            return text(String(args.a * args.b));
        case 'echo':
            return text(args.text);
        case 'countdown':
            for (let progress = 1; progress <= args.from; progress++) {
                if (args.interval_ms > 0) {
                    await new Promise(resolve => setTimeout(resolve, args.interval_ms));
                }
                await context.mcpReq.notify({
                    method: 'notifications/progress',
                    params: { progressToken: _meta.progressToken, progress, total: args.from }
                });
            }
            return text('done');
        default:
            throw new Error(`no tool ${name}`);
    }
}

function text(value) {
    return { content: [{ type: 'text', text: value }] };
}

// The SDK wants a server for each request; the low-level one costs least.
function newServer() {
    const server = new Server(
        { name: 'peers', version: '1.0.0' },
        { capabilities: { tools: {} } }
    );
    server.setRequestHandler('tools/list', () => ({ tools }));
    server.setRequestHandler('tools/call', callTool);
    return server;
}

const modern = createMcpHandler(newServer, { legacy: 'reject', keepAliveMs: 0 });

// The handler's own fallback for the legacy era answers with events only.
async function legacy(request) {
    const server = newServer();
    const transport = new WebStandardStreamableHTTPServerTransport({
        sessionIdGenerator: undefined,
        enableJsonResponse: mode === 'json',
        keepAliveMs: 0
    });
    await server.connect(transport);
    return transport.handleRequest(request);
}

const handler = toNodeHandler({
    fetch: request =>
        request.headers.get('mcp-protocol-version') === '2026-07-28'
            ? modern.fetch(request)
            : legacy(request)
});

const http = createServer((request, response) => void handler(request, response));
http.keepAliveTimeout = 0;
http.listen(0, '127.0.0.1', () => {
    console.log(`listening on http://127.0.0.1:${http.address().port}/mcp`);
});

// Ends with whoever started it.
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));

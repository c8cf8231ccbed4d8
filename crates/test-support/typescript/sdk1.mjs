// The stories with `@modelcontextprotocol/sdk` 1.x, which knows only the `initialize` handshake.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema, McpError } from '@modelcontextprotocol/sdk/types.js';

import { main, Refused } from './stories.mjs';

async function connect(era, url, answer) {
    if (era !== 'legacy') throw new Error(`sdk 1.x has no era ${era}`);
    const capabilities = answer ? { elicitation: {} } : {};
    const client = new Client({ name: 'stories', version: '1.0.0' }, { capabilities });
    if (answer) {
        client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
            const content = answer(params.message);
            return content ? { action: 'accept', content } : { action: 'decline' };
        });
    }
    const faults = [];
    client.onerror = error => faults.push(error);
    const transport = new StreamableHTTPClientTransport(url);
    await client.connect(transport);
    return {
        faults,
        version: () => transport.protocolVersion,
        tools: async () => (await client.listTools()).tools.map(tool => tool.name),
        call: async (name, args, options) => {
            try {
                const result = await client.callTool({ name, arguments: args }, undefined, options);
                return { text: result.content[0].text, isError: result.isError ?? false };
            } catch (error) {
                throw error instanceof McpError ? new Refused(error.code, error.message) : error;
            }
        },
        close: () => client.close(),
    };
}

await main(connect);

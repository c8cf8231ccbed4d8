// The stories with `@modelcontextprotocol/sdk` 1.x, which knows only the `initialize` handshake.

import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema, McpError } from '@modelcontextprotocol/sdk/types.js';

import { Application } from './oauth.mjs';
import { main, Refused } from './stories.mjs';

// Registers dynamically. While the library has a refresh token it takes a new token for one that
// lacks scopes, so it gets none before the user has consented to all of them.
class Registering extends Application {
    tokens() {
        const { refresh_token, ...tokens } = super.tokens() ?? {};
        if (!tokens.access_token) return undefined;
        return this.visits.length > 1 ? { refresh_token, ...tokens } : tokens;
    }
}

async function connect(era, url, answer, app) {
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
    const transport = new StreamableHTTPClientTransport(url, { authProvider: app });
    const authorize = async error => {
        if (!(error instanceof UnauthorizedError)) throw error;
        await transport.finishAuth(app.answer.get('code'));
    };
    try {
        await client.connect(transport);
    } catch (error) {
        await authorize(error);
        return connect(era, url, answer, app);
    }
    return {
        faults,
        version: () => transport.protocolVersion,
        tools: async () => (await client.listTools()).tools.map(tool => tool.name),
        call: async (name, args, options) => {
            const attempt = () => client.callTool({ name, arguments: args }, undefined, options);
            try {
                const result = await attempt().catch(error => authorize(error).then(attempt));
                return { text: result.content[0].text, isError: result.isError ?? false };
            } catch (error) {
                throw error instanceof McpError ? new Refused(error.code, error.message) : error;
            }
        },
        close: () => client.close(),
    };
}

await main(connect, () => new Registering());

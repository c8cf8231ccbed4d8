// The stories with `@modelcontextprotocol/client` 2.x.
//
// Its eras: `auto` asks `server/discover` and falls back to the handshake, `pinned` accepts nothing
// but the modern revision, `legacy` (what the library does unless told otherwise) does the handshake.

import { Client, ProtocolError, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';

import { Application, CLIENT_METADATA_URL } from './oauth.mjs';
import { main, Refused } from './stories.mjs';

const MODES = { auto: 'auto', pinned: { pin: '2026-07-28' }, legacy: 'legacy' };

async function connect(era, url, answer, app) {
    const client = new Client(
        { name: 'stories', version: '1.0.0' },
        {
            versionNegotiation: { mode: MODES[era] },
            capabilities: answer ? { elicitation: {} } : {},
        },
    );
    if (answer) {
        client.setRequestHandler('elicitation/create', ({ params }) => {
            const content = answer(params.message);
            return content ? { action: 'accept', content } : { action: 'decline' };
        });
    }
    const faults = [];
    client.onerror = error => faults.push(error);
    const transport = new StreamableHTTPClientTransport(url, { authProvider: app });
    const authorize = async error => {
        if (!(error instanceof UnauthorizedError)) throw error;
        await transport.finishAuth(app.answer);
    };
    try {
        await client.connect(transport);
    } catch (error) {
        await authorize(error);
        return connect(era, url, answer, app);
    }
    return {
        faults,
        version: () => client.getNegotiatedProtocolVersion(),
        tools: async () => (await client.listTools()).tools.map(tool => tool.name),
        call: async (name, args, options) => {
            const attempt = () => client.callTool({ name, arguments: args }, options);
            try {
                const result = await attempt().catch(error => authorize(error).then(attempt));
                return { text: result.content[0].text, isError: result.isError ?? false };
            } catch (error) {
                throw error instanceof ProtocolError ? new Refused(error.code, error.message) : error;
            }
        },
        close: () => client.close(),
    };
}

// The application is known by its metadata document.
await main(connect, () => new Application({ clientMetadataUrl: CLIENT_METADATA_URL }));

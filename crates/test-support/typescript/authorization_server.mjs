// An authorization server: `oidc-provider` with one user, who is always logged in and consents to
// everything. It prints its address like the examples, and tells at `/seen` what it was asked.
//
// It knows every client that registers (RFC 7591), and the one whose metadata document it holds. Its
// access tokens are JWTs for the resource that the client names (RFC 8707). Those that may write
// live for two seconds, the others for an hour.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';

import { Provider } from 'oidc-provider';

import { CLIENT_METADATA_URL, clientMetadata } from './oauth.mjs';

const SCOPES = 'notes:read notes:write';

const server = createServer();
await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
const seen = [];

const provider = new Provider(issuer, {
    jwks: { keys: [{ ...key, alg: 'ES256', use: 'sig', kid: 'first' }] },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    cookies: { keys: ['a secret of the tests'] },
    scopes: ['openid', 'offline_access'],
    pkce: { required: () => true },
    features: {
        devInteractions: { enabled: false },
        registration: { enabled: true },
        clientIdMetadataDocument: { enabled: true, ack: 'draft-02' },
        resourceIndicators: {
            enabled: true,
            getResourceServerInfo: (_context, resource) => ({
                audience: resource,
                scope: SCOPES,
                accessTokenFormat: 'jwt',
                jwt: { sign: { alg: 'ES256' } },
            }),
        },
    },
    fetch: async url => {
        if (String(url) !== CLIENT_METADATA_URL) return new Response(null, { status: 404 });
        return Response.json({ client_id: CLIENT_METADATA_URL, ...clientMetadata });
    },
    findAccount: (_context, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    issueRefreshToken: (_context, client) => client.grantTypeAllowed('refresh_token'),
    ttl: {
        AccessToken: (_context, { scope }) => (scope?.includes('notes:write') ? 2 : 3600),
        Grant: 3600,
        IdToken: 3600,
        Interaction: 3600,
        RefreshToken: 3600,
        Session: 3600,
    },
});

// What the user decides on the pages that a browser would show.
async function decide({ prompt, params, session, grantId }) {
    if (prompt.name === 'login') return { login: { accountId: 'ada' } };
    const { missingOIDCScope, missingResourceScopes } = prompt.details;
    const grant = grantId
        ? await provider.Grant.find(grantId)
        : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
    for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) {
        grant.addResourceScope(resource, scopes.join(' '));
    }
    return { consent: { grantId: await grant.save() } };
}

provider.use(async (context, next) => {
    if (context.path === '/seen') {
        context.body = seen;
    } else if (context.path.startsWith('/interaction/')) {
        const { req, res } = context;
        const decision = await decide(await provider.interactionDetails(req, res));
        context.redirect(await provider.interactionResult(req, res, decision, { mergeWithLastSubmission: true }));
    } else {
        // A client may ask for any scope later, whatever it says when it registers.
        if (context.path === '/reg') context.req.body = { ...(await json(context.req)), scope: undefined };
        await next();
        const { route, params = {} } = context.oidc ?? {};
        const { grant_type, scope, resource, code_challenge_method } = params;
        seen.push({ route, status: context.status, grant_type, scope, resource, code_challenge_method });
    }
});

server.on('request', provider.callback());
console.log(`listening on ${issuer}`);

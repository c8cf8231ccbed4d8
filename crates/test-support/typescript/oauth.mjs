// What an application gives the SDKs so that they get access tokens for its user.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

// Nothing listens there: the user's browser stops before it.
const CALLBACK = 'http://127.0.0.1:9/callback';
const MOST_VISITS = 5;

// Where the application's metadata document would be (OAuth Client ID Metadata Documents).
export const CLIENT_METADATA_URL = 'https://stories.example/client.json';

export const clientMetadata = {
    client_name: 'stories',
    application_type: 'native',
    redirect_uris: [CALLBACK],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
};

// Follows redirections with cookies up to the application's own page, and returns its query.
async function browse(url) {
    const cookies = new Map();
    while (!String(url).startsWith(CALLBACK)) {
        const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
        const response = await fetch(url, { redirect: 'manual', headers: { cookie } });
        const text = await response.text();
        const location = response.headers.get('location');
        assert.ok(location, `the browser shows ${response.status} at ${url}: ${text}`);
        for (const line of response.headers.getSetCookie()) {
            const [name, value] = line.split(';')[0].split(/=(.*)/s);
            cookies.set(name, value);
        }
        url = new URL(location, url);
    }
    return url.searchParams;
}

// An `OAuthClientProvider` of both libraries, which keeps in memory what it is told.
export class Application {
    constructor({ clientMetadataUrl } = {}) {
        this.clientMetadataUrl = clientMetadataUrl;
        // The resource's scopes of each visit to the authorization server, sorted.
        this.visits = [];
        // Every answer of the token endpoint.
        this.granted = [];
        this.redirectUrl = CALLBACK;
        this.clientMetadata = clientMetadata;
    }

    state() {
        return (this.expectedState = randomUUID());
    }

    clientInformation() {
        return this.information;
    }

    saveClientInformation(information) {
        this.information = information;
    }

    tokens() {
        return this.granted.at(-1);
    }

    saveTokens(tokens) {
        this.granted.push(tokens);
    }

    discoveryState() {
        return this.discovered;
    }

    saveDiscoveryState(discovered) {
        this.discovered = discovered;
    }

    codeVerifier() {
        return this.verifier;
    }

    saveCodeVerifier(verifier) {
        this.verifier = verifier;
    }

    async redirectToAuthorization(url) {
        // Some libraries ask for a token to refresh others with where they can.
        const scopes = url.searchParams.get('scope').split(' ').filter(scope => scope !== 'offline_access');
        this.visits.push(scopes.sort());
        assert.ok(this.visits.length <= MOST_VISITS, `the user is asked again and again: ${this.visits}`);
        this.answer = await browse(url);
        assert.equal(this.answer.get('state'), this.expectedState);
        assert.ok(this.answer.get('code'), `the user's consent brought ${this.answer}`);
    }
}

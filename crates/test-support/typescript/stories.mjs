// What every TypeScript client must be able to do, whichever library and protocol era it is.
//
// Usage: CLIENT.mjs ERA VERSION URL STORY...
//
// A story may be told about tools with prefixes in their names, as `STORY:PREFIX,...`.
//
// A client module hands `main` its `connect(era, url, answer, app)`, which resolves to an object with
// - `version()`: the revision really negotiated
// - `tools()`: their names
// - `call(name, args, {onprogress, signal})`: resolves to `{text, isError}`, and rejects with a
//   `Refused` for a JSON-RPC error
// - `faults`: the errors that the library reported outside of any call, say of an unreadable reply
// - `close()`
// What the server asks the user is answered by `answer(message)`: the fields of the form, or
// undefined for a user who says no; without `answer`, the client cannot be asked. A client with
// `app`, an `Application`, gets access tokens; `application()` makes one.

import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';

const CLIENTS_AT_ONCE = 20;
// How long a client waits for a server that has died, and how often it tries.
const ANSWER_MILLISECONDS = 10_000;
const MOST_TRIES = 20;
const INVALID_PARAMS = -32602;
// In the legacy era a cancelled call may go on a little, and its client wonders at the updates.
const LATE_PROGRESS = /progress notification for an unknown token/;

export class Refused extends Error {
    constructor(code, message) {
        super(message);
        this.code = code;
    }
}

class Stories {
    constructor(connect, application, era, version, url) {
        this.connect = (answer, app) => connect(era, new URL(url), answer, app);
        this.application = application;
        this.version = version;
    }

    async withClient(use, answer, app) {
        const client = await this.connect(answer, app);
        try {
            assert.equal(client.version(), this.version, 'the negotiated protocol version');
            await use(client);
        } finally {
            await client.close();
        }
    }

    async gets(client, tool, a, b, expected) {
        const answer = await client.call(tool, { a, b });
        assert.deepEqual(answer, { text: String(expected), isError: false }, `${tool}(${a}, ${b})`);
        const unexpected = client.faults.filter(({ message }) => !LATE_PROGRESS.test(message));
        assert.deepEqual(unexpected, []);
    }

    async adds(client, a, b, prefix = '') {
        await this.gets(client, `${prefix}add`, a, b, a + b);
    }

    // A client comes, works and leaves; the next one finds the server as fresh as the first.
    async reconnecting(prefix = '', scale = 1) {
        await this.withClient(client => this.adds(client, 10 * scale, 20 * scale, prefix));
        await this.withClient(async client => {
            const names = await client.tools();
            assert.ok(names.includes(`${prefix}add`), `the second client does not find it among ${names}`);
            await this.adds(client, 100 * scale, 200 * scale, prefix);
        });
    }

    // The tools of several servers are listed by one, each once, and each can be called.
    async merged(...prefixes) {
        await this.withClient(async client => {
            const names = await client.tools();
            for (const prefix of prefixes) {
                for (const [tool, expected] of [['add', 30], ['multiply', 200]]) {
                    const name = `${prefix}${tool}`;
                    assert.equal(names.filter(other => other === name).length, 1, `${name} is listed once`);
                    await this.gets(client, name, 10, 20, expected);
                }
            }
        });
    }

    async many_at_once() {
        const scales = Array.from({ length: CLIENTS_AT_ONCE }, (_, index) => index + 1);
        await Promise.all(scales.map(scale => this.reconnecting('', scale)));
    }

    async progress() {
        await this.withClient(async client => {
            const events = [];
            const onprogress = ({ progress, total, message }) => events.push([progress, total, Boolean(message)]);
            const args = { from: 3, interval_ms: 10 };
            events.push(await client.call('countdown', args, { onprogress }));
            const result = { text: 'liftoff', isError: false };
            assert.deepEqual(events, [[1, 3, true], [2, 3, true], [3, 3, true], result]);
        });
    }

    async errors() {
        await this.withClient(async client => {
            await assert.rejects(client.call('no_such_tool', {}), error => {
                assert.ok(error instanceof Refused, `an unknown tool failed with ${error}`);
                assert.equal(error.code, INVALID_PARAMS, 'the error of an unknown tool');
                assert.match(error.message, /no_such_tool/);
                return true;
            });

            const { text, isError } = await client.call('echo', { text: 7 });
            assert.ok(isError, `a number for a text answered ${text}`);
            assert.match(text, /text/);

            await this.adds(client, 1, 2);
        });
    }

    // A tool asks the user twice; another user says no.
    async asking() {
        const asked = [];
        const answer = message => {
            asked.push(message);
            return message.includes('how many') ? { guests: 4 } : { sure: true };
        };
        await this.withClient(async client => {
            const ordered = await client.call('order', { dish: 'soup' });
            assert.deepEqual(ordered, { text: 'Ordered soup for 4.', isError: false });
        }, answer);
        assert.deepEqual(asked, ['For how many?', 'Order soup for 4?']);
        await this.withClient(async client => {
            const { text, isError } = await client.call('order', { dish: 'soup' });
            assert.ok(isError && text.includes('declined'), text);
        }, () => undefined);
    }

    // Servers of others ask the user for a name, which another user does not tell.
    async greeting(...prefixes) {
        for (const prefix of prefixes) {
            for (const [answer, text] of [[{ name: 'Ada' }, 'Hello, Ada!'], [undefined, 'The user said decline.']]) {
                await this.withClient(async client => {
                    const greeted = await client.call(`${prefix}ask_name`, {});
                    assert.deepEqual(greeted, { text, isError: false }, `${prefix}ask_name`);
                }, () => answer);
            }
        }
    }

    // A client without a token finds out where to get one, then asks for more, then renews it.
    async authorizing() {
        const app = this.application();
        await this.withClient(async client => {
            const gets = async (tool, args, text) =>
                assert.deepEqual(await client.call(tool, args), { text, isError: false }, tool);
            assert.deepEqual(await client.tools(), ['read_notes', 'write_note']);
            await gets('read_notes', {}, 'no notes');
            assert.deepEqual(app.visits, [['notes:read']]);

            await gets('write_note', { text: 'milk' }, 'noted for ada');
            assert.deepEqual(app.visits.slice(1), [['notes:read', 'notes:write']]);
            // The token that may write expires soon, of which the user must not notice anything.
            while (app.granted.length < 3) {
                await gets('read_notes', {}, 'milk');
                await setTimeout(50);
            }
            await gets('write_note', { text: 'tea' }, 'noted for ada');
            assert.equal(app.visits.length, 2, 'how often the user was asked');
        }, undefined, app);
    }

    // Servers die all the time. What fails succeeds when it is done again, with a new connection.
    async outliving(seconds) {
        const answer = message => (message.includes('how many') ? { guests: 4 } : { sure: true });
        const works = async number => {
            const client = await this.connect(answer);
            try {
                for (let a = number; a < number + 5; a += 1) {
                    const sum = await client.call('add', { a, b: 1 });
                    assert.deepEqual(sum, { text: String(a + 1), isError: false }, `add(${a}, 1)`);
                }
                const ordered = await client.call('order', { dish: 'soup' });
                assert.deepEqual(ordered, { text: 'Ordered soup for 4.', isError: false });
            } finally {
                await client.close();
            }
        };
        const late = () => setTimeout(ANSWER_MILLISECONDS).then(() => Promise.reject(new Error('no answer in time')));
        const end = Date.now() + 1000 * seconds;
        let [calls, most] = [0, 0];
        while (Date.now() < end) {
            for (let tries = 1; ; tries += 1) {
                try {
                    const working = works(calls);
                    working.catch(() => {});
                    await Promise.race([working, late()]);
                    most = Math.max(most, tries);
                    break;
                } catch (error) {
                    if (error instanceof assert.AssertionError || tries === MOST_TRIES) throw error;
                    await setTimeout(300);
                }
            }
            calls += 6;
        }
        console.log(`outlived: ${calls}, ${most}`);
        process.exit(0);
    }

    async cancelling() {
        await this.withClient(async client => {
            const abort = new AbortController();
            const args = { from: 100_000, interval_ms: 20 };
            const call = client.call('countdown', args, {
                signal: abort.signal,
                onprogress: () => abort.abort('seen enough'),
            });
            await assert.rejects(call, /seen enough/);
            await this.adds(client, 3, 4);
        });
    }
}

export async function main(connect, application) {
    const [era, version, url, ...names] = process.argv.slice(2);
    const stories = new Stories(connect, application, era, version, url);
    for (const name of names) {
        console.log(`story: ${name}`);
        const [story, ...prefixes] = name.split(/[:,]/);
        await stories[story](...prefixes);
    }
}

// The upstream with a state in each session: its tool `count` returns 1, 2, 3 and so on.
//
// Usage: counter.mjs [--port PORT]

import { numbers } from './serving.mjs';
import { serveSessions } from './sessions.mjs';

serveSessions('counter', numbers({ port: 0 }).port);

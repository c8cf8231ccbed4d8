// The upstream that forgets each session after some calls: whoever goes on must initialize anew.
//
// Usage: forgetful.mjs [--port PORT] [--forget-after CALLS]

import { numbers } from './serving.mjs';
import { serveSessions } from './sessions.mjs';

const { port, 'forget-after': forgetAfter } = numbers({ port: 0, 'forget-after': 1 });
serveSessions('forgetful', port, forgetAfter);

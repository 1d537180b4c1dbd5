// Reads {method, frame} lines from standard input and checks each frame against the JSON schema that
// @openclaw/gateway-protocol publishes: the envelope always, and what is in it wherever the schema has
// a name for it. Prints how much was checked; ends with 1 and the reasons when anything is refused.
'use strict';
const fs = require('node:fs');
const path = require('node:path');

const modules = process.argv[2];
const Ajv = require(path.join(modules, 'ajv'));
const schema = require(path.join(modules, '@openclaw/gateway-protocol/protocol.schema.json'));

const ajv = new Ajv({ strict: false, allErrors: true });
ajv.addSchema({ ...schema, $id: 'protocol' });
const known = new Map();
const of = (pointer) => {
  if (!known.has(pointer)) known.set(pointer, ajv.compile({ $ref: `protocol#/definitions/${pointer}` }));
  return known.get(pointer);
};
// models.authStatus -> ModelsAuthStatus
const named = (method) => method.split(/[.-]/).map((word) => word[0].toUpperCase() + word.slice(1)).join('');
const array = (pointer) => (value) => Array.isArray(value) && value.flatMap((item) => faults(pointer, item));

const EVENTS = {
  tick: 'TickEvent', shutdown: 'ShutdownEvent', chat: 'ChatEvent', agent: 'AgentEvent',
  'node.invoke.request': 'NodeInvokeRequestEvent', 'gateway.suspension': 'GatewaySuspension', 'device.pair.requested': 'DevicePairRequestedEvent',
  'device.pair.resolved': 'DevicePairResolvedEvent',
};
// Answers that the schema describes under another name, or only in part.
const PARTS = {
  connect: (payload) => faults('HelloOk', payload),
  'system-presence': array('PresenceEntry'),
  'sessions.list': (payload) => payload.sessions.flatMap((row) => faults('SessionRow', row)),
  'sessions.describe': (payload) => (payload.session ? faults('SessionRow', payload.session) : []),
  'config.schema': (payload) => faults('ConfigSchemaResponse', payload),
};
const EVENT_PARTS = {
  presence: (payload) => payload.presence.flatMap((entry) => faults('PresenceEntry', entry)),
  health: (payload) => faults('Snapshot/properties/health', payload),
};

function faults(pointer, value) {
  const check = of(pointer);
  return check(value) ? [] : check.errors.map((error) => `${pointer}${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`);
}

let frames = 0;
let contents = 0;
const types = new Set();
const bad = [];
for (const line of fs.readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
  const { method, frame } = JSON.parse(line);
  frames += 1;
  let found = faults(frame.type === 'event' ? 'EventFrame' : 'ResponseFrame', frame);
  const looked = (list) => { contents += 1; types.add(frame.event || method); found = found.concat(list); };
  if (frame.type === 'event') {
    if (EVENTS[frame.event]) looked(faults(EVENTS[frame.event], frame.payload));
    else if (EVENT_PARTS[frame.event]) looked(EVENT_PARTS[frame.event](frame.payload));
  } else if (!frame.ok) {
    looked(faults('ErrorShape', frame.error));
  } else if (PARTS[method]) {
    looked(PARTS[method](frame.payload));
  } else if (method && schema.definitions[`${named(method)}Result`]) {
    looked(faults(`${named(method)}Result`, frame.payload));
  }
  if (found.length) bad.push(`${method || frame.event}: ${found.slice(0, 5).join('; ')}\n  ${JSON.stringify(frame).slice(0, 400)}`);
}
if (bad.length) {
  process.stdout.write(`${bad.slice(0, 20).join('\n')}\n`);
  process.exit(1);
}
process.stdout.write(JSON.stringify({ frames, contents, types: [...types].sort() }));

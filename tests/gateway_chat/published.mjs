// The published reference client on a leash: calls come in on stdin, what it hears goes to stdout.
import crypto from "node:crypto";
import readline from "node:readline";
import { GatewayClient } from "@openclaw/gateway-client";

const { url, options } = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

// The callbacks a program with a device of its own brings along.
function asDevice() {
  const pair = crypto.generateKeyPairSync("ed25519");
  const raw = pair.publicKey.export({ type: "spki", format: "der" }).subarray(-32);
  const deviceIdentity = {
    deviceId: crypto.createHash("sha256").update(raw).digest("hex"),
    publicKeyPem: pair.publicKey.export({ type: "spki", format: "pem" }),
    privateKeyPem: pair.privateKey.export({ type: "pkcs8", format: "pem" }),
  };
  const hostDeps = {
    signDevicePayload: (pem, payload) =>
      crypto.sign(null, Buffer.from(payload), crypto.createPrivateKey(pem)).toString("base64url"),
    publicKeyRawBase64UrlFromPem: (pem) =>
      crypto.createPublicKey(pem).export({ type: "spki", format: "der" }).subarray(-32).toString("base64url"),
  };
  return { deviceIdentity, hostDeps };
}

const { device, ...plain } = options;
const client = new GatewayClient({
  url,
  minProtocol: 4,
  maxProtocol: 4,
  role: "operator",
  scopes: ["operator.admin", "operator.read", "operator.write"],
  ...plain,
  ...(device ? asDevice() : {}),
  onHelloOk: (hello) => say({ hello }),
  onConnectError: (error) => say({ connectError: String(error?.message ?? error) }),
  onEvent: (event) => say(event),
  onGap: (gap) => say({ gap }),
  onClose: (code, reason) => say({ close: { code, reason: String(reason) } }),
});
client.start();
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { method, params } = JSON.parse(line);
  client.request(method, params).then(
    (payload) => say({ method, payload }),
    (error) => say({ method, error: String(error?.message ?? error) }),
  );
}
client.stop();

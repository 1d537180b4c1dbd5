// This browser as a device: an Ed25519 key that can sign and can't be read, kept for this origin.
// Without a secure context (plain HTTP from another machine) or an old browser there is none, and
// the token alone has to do.

const DATABASE = "telson";
const STORE = "device";

/** The proof for a connection, or null where the browser can't give one. */
export async function proof({ client, role, scopes, token, challenge }) {
  const device = await identity();
  if (!device) return null;
  const { nonce, ts } = challenge;
  const signed = [
    "v3", device.id, client.id, client.mode, role, scopes.join(","), ts, token, nonce,
    client.platform.toLowerCase(), "",
  ].join("|");
  const bytes = new TextEncoder().encode(signed);
  const signature = await crypto.subtle.sign("Ed25519", device.keys.privateKey, bytes);
  return {
    id: device.id,
    publicKey: base64url(device.raw),
    signature: base64url(signature),
    signedAt: ts,
    nonce,
  };
}

async function identity() {
  if (!globalThis.crypto?.subtle || !globalThis.indexedDB) return null;
  try {
    const keys = await keyPair();
    const raw = await crypto.subtle.exportKey("raw", keys.publicKey);
    const id = hex(await crypto.subtle.digest("SHA-256", raw));
    return { keys, raw, id };
  } catch {
    return null;
  }
}

/** The kept pair, or a new one; two tabs at once agree on the one that was kept first. */
async function keyPair() {
  const database = await asked(open());
  try {
    const kept = await asked(store(database, "readonly").get("keys"));
    if (kept) return kept;
    const made = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
    await asked(store(database, "readwrite").add(made, "keys")).catch(() => {});
    return await asked(store(database, "readonly").get("keys"));
  } finally {
    database.close();
  }
}

function open() {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return request;
}

function store(database, mode) {
  return database.transaction(STORE, mode).objectStore(STORE);
}

function asked(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = (event) => {
      event.preventDefault();
      reject(request.error);
    };
  });
}

function hex(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function base64url(buffer) {
  const text = btoa(String.fromCharCode(...new Uint8Array(buffer)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

// The connection to the gateway this page came from, and to no other: challenge, connect, calls,
// events, and a new try with growing pauses whenever it is lost. A call that was under way then
// fails; it is never sent again by itself.

import { proof } from "./identity.js";

const CALL_MS = 30_000;
const PAUSE_MS = [1_000, 30_000];
const CLIENT = { id: "openclaw-control-ui", version: "1", platform: "web", mode: "webchat" };
const SCOPES = [
  "operator.admin", "operator.read", "operator.write", "operator.approvals", "operator.pairing",
];
/** Refusals that another try does not change: a person has to act. */
const FINAL = /^(AUTH_(?!RATE)|DEVICE_|PAIRING|PROTOCOL|CONTROL_UI|NOT_PAIRED)/;

export class Gateway extends EventTarget {
  #socket = null;
  #calls = new Map();
  #asked = 0;
  #failures = 0;
  #timer = null;
  #silence = null;
  #token = null;
  hello = null;

  /** Connects, and stays connected from now on. */
  open(token) {
    this.close();
    this.#token = token;
    this.#failures = 0;
    this.#connect();
  }

  /** Ends it; nothing is tried any more. */
  close() {
    clearTimeout(this.#timer);
    this.#token = null;
    this.#lose();
  }

  /** Tries now instead of after the pause, where one runs. */
  hurry() {
    if (this.#token === null || this.#socket) return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  /** Asks; fails with what the gateway says, or because it is not there. */
  call(method, params = {}) {
    if (!this.hello) return Promise.reject(new Error("offline: the gateway does not answer"));
    return this.#ask(method, params);
  }

  /** Hears a kind of event; answers how to stop. */
  on(event, listener) {
    const heard = ({ detail }) => listener(detail);
    this.addEventListener(`event:${event}`, heard);
    return () => this.removeEventListener(`event:${event}`, heard);
  }

  #connect() {
    this.#tell("connecting");
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/`);
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#socket === socket && this.#hear(data);
    socket.onclose = () => this.#socket === socket && this.#retry();
    this.#listenForSilence(15_000);
  }

  #hear(data) {
    const frame = JSON.parse(data);
    const tick = this.hello?.policy.tickIntervalMs ?? 7_500;
    this.#listenForSilence(2 * tick);
    if (frame.type === "res") return this.#answered(frame);
    if (frame.type !== "event") return;
    if (frame.event === "connect.challenge") this.#introduce(frame.payload);
    else this.dispatchEvent(new CustomEvent(`event:${frame.event}`, { detail: frame.payload }));
  }

  async #introduce(challenge) {
    const [socket, token] = [this.#socket, this.#token];
    const who = { client: CLIENT, role: "operator", scopes: SCOPES };
    const device = await proof({ ...who, token, challenge });
    if (this.#socket !== socket) return;
    try {
      this.hello = await this.#ask("connect", {
        minProtocol: 4, maxProtocol: 4, ...who, caps: [], auth: { token },
        userAgent: navigator.userAgent, locale: navigator.language, ...(device && { device }),
      });
    } catch (error) {
      if (this.#socket !== socket) return;
      if (!FINAL.test(error.details?.code ?? error.code ?? "")) return this.#retry();
      this.close();
      return this.#tell("refused", error.message);
    }
    this.#failures = 0;
    this.#tell("online");
  }

  #ask(method, params) {
    const id = String(++this.#asked);
    return new Promise((resolve, reject) => {
      const late = () => this.#calls.delete(id) && reject(new Error(`${method}: no answer in 30 s`));
      this.#calls.set(id, { resolve, reject, timer: setTimeout(late, CALL_MS) });
      this.#socket.send(JSON.stringify({ type: "req", id, method, params }));
    });
  }

  #answered({ id, ok, payload, error }) {
    const call = this.#calls.get(id);
    if (!call) return;
    this.#calls.delete(id);
    clearTimeout(call.timer);
    if (ok) call.resolve(payload);
    else call.reject(Object.assign(new Error(error?.message ?? "failed"), error));
  }

  /** Nothing heard for so long: the line is dead, whatever the socket believes. */
  #listenForSilence(ms) {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#retry(), ms);
  }

  #retry() {
    this.#lose();
    if (this.#token === null) return;
    const [first, longest] = PAUSE_MS;
    const pause = Math.min(first * 2 ** this.#failures++, longest) * (0.8 + 0.4 * Math.random());
    this.#timer = setTimeout(() => this.#connect(), pause);
    this.#tell("offline", `trying again in ${Math.ceil(pause / 1000)} s`);
  }

  #lose() {
    const socket = this.#socket;
    this.#socket = null;
    this.hello = null;
    clearTimeout(this.#silence);
    socket?.close();
    for (const { reject, timer } of this.#calls.values()) {
      clearTimeout(timer);
      reject(Object.assign(new Error("the connection was lost"), { isLost: true }));
    }
    this.#calls.clear();
  }

  #tell(state, why = "") {
    this.dispatchEvent(new CustomEvent("state", { detail: { state, why } }));
  }
}

// A chat with one session: its history, answers while they are made, and an end to them.
//
// A message gets its key when it is written and keeps it until the gateway has taken it, so sending
// it again after a lost connection can't double it.

import { el, failure, fill } from "./dom.js";
import { soon } from "./view.js";

const HISTORY_MAX = 100;

export class Chat {
  #gateway;
  #key = null;
  #run = null;
  #answer = null;
  #over = null;
  #isOnline = false;
  #sending = null;
  #countdown = null;
  #parts;

  constructor(root, gateway) {
    this.#gateway = gateway;
    const onsubmit = (event) => {
      event.preventDefault();
      this.#say();
    };
    const onkeydown = (event) => {
      const isEnter = event.key === "Enter" && !event.shiftKey && !event.isComposing;
      if (isEnter) onsubmit(event);
    };
    this.#parts = {
      title: el("h3", { id: "chat-title" }),
      log: el("ol", { class: "log", id: "log", role: "log", "aria-labelledby": "chat-title", tabindex: 0 }),
      phase: el("p", { class: "dim", role: "status" }),
      trouble: el("div", { id: "chat-trouble" }),
      field: el("textarea", { id: "say", rows: 2, onkeydown }),
      send: el("button", { type: "submit", class: "main", id: "send" }, "Send"),
      abort: el("button", { type: "button", id: "abort", hidden: true, onclick: () => this.#abort() }, "Stop"),
    };
    const { title, log, phase, trouble, field, send, abort } = this.#parts;
    root.append(title, log, phase, trouble, el("form", { class: "composer", onsubmit },
      el("label", { for: "say" }, "Message"), field, el("div", { class: "buttons" }, send, abort)));
    gateway.on("chat", (event) => event.sessionKey === this.#key && this.#hear(event));
    const reload = soon(() => this.#run === null && this.#load());
    gateway.on("telson.attempt", (event) => event.sessionKey === this.#key && this.#failing(event));
    gateway.on("session.message", (event) => event.sessionKey === this.#key && reload());
    gateway.on("telson.webchat", (event) => {
      if (event.sessionKey !== this.#key || !["announcement", "note"].includes(event.kind)) return;
      const shown = bubble("assistant", event.text, label(event.from));
      if (shown) this.#parts.log.append(shown);
      this.#scroll();
      reload();
    });
  }

  /** Shows a session. */
  open(key) {
    if (this.#key && this.#isOnline) this.#watch("unsubscribe", this.#key);
    this.#key = key;
    this.#parts.title.textContent = key;
    fill(this.#parts.log);
    fill(this.#parts.trouble);
    this.#sending = null;
    this.#ended("");
    this.#join();
  }

  /** Catches up after the connection was away; what was said meanwhile is in the history. */
  online(is) {
    this.#isOnline = is;
    this.#parts.send.disabled = !is;
    if (is) this.#join();
  }

  #join() {
    if (!this.#key || !this.#isOnline) return;
    // A run that goes on tells so itself.
    this.#ended("");
    this.#watch("subscribe", this.#key);
    this.#load();
    this.#listen();
  }

  /** Asks to be told of models that give no answer, and hears of those that give none now. */
  async #listen() {
    const key = this.#key;
    try {
      const { failing } = await this.#gateway.call("telson.attempt.subscribe");
      const ours = failing.find(({ sessionKey }) => sessionKey === key);
      if (ours && key === this.#key) this.#failing(ours);
    } catch {
      // An older gateway has no word for it.
    }
  }

  /** A model gives no answer: why, and when what is asked next, counted down. */
  #failing({ runId, model, reason, next, retryInMs }) {
    this.#started(runId);
    const until = Date.now() + retryInMs;
    const tell = () => {
      const left = Math.ceil((until - Date.now()) / 1000);
      this.#parts.phase.textContent =
        `${model} gives no answer (${reason}); ${whatNext(model, next, left)}`;
      if (left <= 0) clearInterval(this.#countdown);
    };
    clearInterval(this.#countdown);
    this.#countdown = setInterval(tell, 1000);
    tell();
  }

  #watch(what, key) {
    // An older gateway tells everybody anyway.
    this.#gateway.call(`sessions.messages.${what}`, { key }).catch(() => {});
  }

  async #load() {
    const key = this.#key;
    try {
      const { messages } = await this.#gateway.call("chat.history", {
        sessionKey: key, limit: HISTORY_MAX,
      });
      if (key !== this.#key) return;
      const shown = messages.filter(({ role }) => role === "user" || role === "assistant");
      fill(this.#parts.log, shown.map((message) => bubble(message.role, textOf(message), whose(message)))
        .filter((item) => item !== null));
      if (this.#answer) this.#parts.log.append(this.#answer);
      this.#scroll();
    } catch (error) {
      if (key === this.#key && !error.isLost) fill(this.#parts.trouble, failure(error));
    }
  }

  async #say() {
    const message = this.#parts.field.value.trim();
    if (!message || !this.#isOnline || this.#sending) return;
    this.#parts.field.value = "";
    const shown = bubble("user", message);
    this.#parts.log.append(shown);
    this.#scroll();
    await this.#send({ sessionKey: this.#key, message, idempotencyKey: freshKey() }, shown);
  }

  async #send(params, shown) {
    this.#sending = params;
    fill(this.#parts.trouble);
    try {
      const { runId, status } = await this.#gateway.call("chat.send", params);
      if (this.#sending !== params) return;
      this.#sending = null;
      // A quick answer may have come before this one.
      if (status === "ok") this.#load();
      else if (this.#run === null && this.#over !== runId) this.#started(runId);
    } catch (error) {
      if (this.#sending !== params) return;
      // It would be refused again: its writer gets it back and goes on.
      if (error.code && !error.retryable) {
        shown.remove();
        return this.#giveBack(params.message, error);
      }
      const again = () => this.#isOnline && this.#send(params, shown);
      fill(this.#parts.trouble, failure(error),
        el("button", { type: "button", onclick: again }, "Send again"));
    }
  }

  #giveBack(message, error) {
    this.#sending = null;
    fill(this.#parts.trouble, failure(error));
    const { field } = this.#parts;
    field.value = [message, field.value].filter((text) => text).join("\n");
  }

  async #abort() {
    try {
      const runId = this.#run;
      await this.#gateway.call("chat.abort", { sessionKey: this.#key, ...(runId && { runId }) });
    } catch (error) {
      fill(this.#parts.trouble, failure(error));
    }
  }

  #hear({ runId, state, phase, message, deltaText, replace, errorMessage }) {
    clearInterval(this.#countdown);
    if (state === "status") {
      this.#started(runId);
      this.#parts.phase.textContent = phase.replaceAll("_", " ");
      return;
    }
    const whole = textOf(message);
    if (state === "delta") {
      this.#started(runId);
      this.#parts.phase.textContent = "";
      this.#show(whole || (replace ? deltaText : this.#shown() + deltaText));
      return;
    }
    if (whole) this.#show(whole);
    this.#over = runId;
    if (state === "error") fill(this.#parts.trouble, failure(errorMessage ?? "the run failed"));
    this.#ended(state === "aborted" ? "stopped" : "");
  }

  #started(run) {
    if (this.#run !== run) this.#answer = null;
    this.#run = run;
    this.#parts.abort.hidden = false;
    this.#parts.log.setAttribute("aria-busy", "true");
  }

  #ended(phase) {
    clearInterval(this.#countdown);
    [this.#run, this.#answer] = [null, null];
    this.#parts.abort.hidden = true;
    this.#parts.phase.textContent = phase;
    this.#parts.log.removeAttribute("aria-busy");
  }

  #shown() {
    return this.#answer?.querySelector(".text").textContent ?? "";
  }

  #show(text) {
    this.#answer ??= bubble("assistant", text) ?? null;
    if (!this.#answer) return;
    this.#answer.querySelector(".text").textContent = text;
    if (!this.#answer.isConnected) this.#parts.log.append(this.#answer);
    this.#scroll();
  }

  #scroll() {
    this.#parts.log.scrollTop = this.#parts.log.scrollHeight;
  }
}

function bubble(role, text, who = role === "user" ? "you" : "agent") {
  if (!text) return null;
  return el("li", { class: role }, el("span", { class: "who" }, who), el("p", { class: "text" }, text));
}

/** What stands above a message that is no answer: who has announced it, or that it is a note. */
function label(from) {
  return from ? `announcement from ${from}` : "note";
}

/** The same for a message of the history; nothing for an answer. */
function whose(message) {
  const from = message.__openclaw?.announcedBy;
  return from || message.model === "gateway-injected" ? label(from) : undefined;
}

function whatNext(model, next, left) {
  if (left <= 0) return next === model ? "asking it again" : `asking ${next} in its place`;
  return next === model ? `trying again in ${left} s` : `trying ${next} in ${left} s`;
}

/** The text of a message, whose content is a text or a list of parts. */
function textOf(message) {
  const content = message?.content;
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.filter((part) => part.type === "text").map((part) => part.text).join("\n");
}

function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

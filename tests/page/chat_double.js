// Stands in for the gateway's chat in the shapes it was recorded in, between the page and the real
// socket: what is not about chat goes through.
{
  const answers = new Map();
  const texts = new Map();
  const chat = (ws, payload) => ws.tell({ type: "event", event: "chat", payload: { agentId: "main", seq: 1, ...payload } });
  const part = (text) => ({ role: "assistant", content: [{ type: "text", text }], timestamp: 0 });
  const methods = {
    "sessions.subscribe": () => ({ subscribed: true }),
    "sessions.messages.subscribe": ({ key }) => ({ subscribed: true, key }),
    "sessions.messages.unsubscribe": ({ key }) => ({ subscribed: false, key }),
    "sessions.list": () => ({
      ts: 0, count: 2, totalCount: 2, sessions: [
        { key: "agent:main:main", updatedAt: 1795219110701, status: "done", lastMessagePreview: "<b>bold</b>" },
        { key: "agent:main:other", updatedAt: 1795219110700 },
      ],
    }),
    "chat.history": ({ sessionKey }) => ({ sessionKey, messages: texts.get(sessionKey) ?? [] }),
    "chat.send": ({ sessionKey, message, idempotencyKey: runId }, ws) => {
      window.sends = [...(window.sends ?? []), runId];
      if (message.includes("[[refuse-once]]") && !answers.has(runId)) {
        answers.set(runId, "refused");
        throw { code: "UNAVAILABLE", message: "starting", retryable: true };
      }
      const known = texts.get(sessionKey) ?? [];
      texts.set(sessionKey, [...known, { role: "user", content: message }]);
      chat(ws, { runId, sessionKey, state: "status", phase: "starting_model" });
      chat(ws, { runId, sessionKey, state: "delta", deltaText: "echo: ", message: part("echo: ") });
      if (message.includes("[[slow]]")) return { runId, status: "started" };
      const text = `echo: ${message}`;
      texts.get(sessionKey).push(part(text));
      setTimeout(() => {
        chat(ws, { runId, sessionKey, state: "delta", deltaText: message, message: part(text) });
        chat(ws, { runId, sessionKey, state: "final", stopReason: "stop", message: part(text) });
      }, 20);
      return { runId, status: "started" };
    },
    "chat.abort": ({ sessionKey, runId }, ws) => {
      chat(ws, { runId, sessionKey, state: "aborted", stopReason: "rpc" });
      return { ok: true, aborted: true, runIds: [runId] };
    },
  };
  window.WebSocket = class extends WebSocket {
    tell(frame) {
      this.onmessage({ data: JSON.stringify(frame) });
    }
    send(text) {
      const { id, method, params } = JSON.parse(text);
      if (!methods[method]) return super.send(text);
      setTimeout(() => {
        try {
          this.tell({ type: "res", id, ok: true, payload: methods[method](params, this) });
        } catch (error) {
          this.tell({ type: "res", id, ok: false, error });
        }
      }, 5);
    }
  };
}

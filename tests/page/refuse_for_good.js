// Between the page and the real socket: the first message is refused for good, as one to an agent that
// was removed; everything else goes through.
{
  let isFirst = true;
  window.WebSocket = class extends WebSocket {
    send(text) {
      const { id, method } = JSON.parse(text);
      if (method !== "chat.send" || !isFirst) return super.send(text);
      isFirst = false;
      const error = { code: "INVALID_REQUEST", message: "unknown agent id", retryable: false };
      setTimeout(() => this.onmessage({ data: JSON.stringify({ type: "res", id, ok: false, error }) }), 5);
    }
  };
}

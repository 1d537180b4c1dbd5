// Sessions: which there are, and a chat with the chosen one.

import { Chat } from "./chat.js";
import { el, failure, fill, moment } from "./dom.js";
import { polled, soon } from "./view.js";

export const title = "Sessions";
const EVERY_MS = 15_000;
const LISTED_MAX = 100;

export function mount(root, gateway) {
  const list = el("ul", { class: "sessions", id: "sessions" });
  const panel = el("div", { class: "chat" });
  root.append(el("div", { class: "split" }, el("div", { class: "side" }, list), panel));
  const chat = new Chat(panel, gateway);
  let chosen = null;

  const view = polled(refresh, EVERY_MS);
  gateway.on("sessions.changed", soon(view.look));

  async function refresh() {
    const main = gateway.hello?.snapshot.sessionDefaults?.mainSessionKey ?? "agent:main:main";
    if (!chosen) choose(main);
    try {
      const answer = await gateway.call("sessions.list", {
        limit: LISTED_MAX, includeLastMessage: true,
      });
      const isListed = answer.sessions.some((session) => session.key === chosen);
      const shown = isListed ? answer.sessions : [{ key: chosen }, ...answer.sessions];
      draw(shown, answer.totalCount ?? shown.length);
    } catch (error) {
      fill(list, el("li", {}, failure(error)));
    }
  }

  function draw(sessions, total) {
    const focused = list.contains(document.activeElement) && document.activeElement.dataset.key;
    fill(list, sessions.map(row),
      total > sessions.length && el("li", { class: "dim" }, `and ${total - sessions.length} more`));
    if (focused) {
      const kept = Array.from(list.querySelectorAll("button"));
      kept.find((button) => button.dataset.key === focused)?.focus();
    }
  }

  function row({ key, lastMessagePreview, updatedAt, status }) {
    return el("li", {},
      el("button", {
        type: "button", "data-key": key, onclick: () => choose(key),
        "aria-current": key === chosen ? "true" : null,
      },
      el("span", { class: "key" }, key), status && el("span", { class: "dim" }, ` ${status}`),
      el("span", { class: "preview" }, lastMessagePreview ?? ""),
      el("span", { class: "dim" }, moment(updatedAt))));
  }

  function choose(key) {
    chosen = key;
    for (const button of list.querySelectorAll("button")) {
      if (button.dataset.key === key) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    chat.open(key);
  }

  return {
    visible: view.visible,
    online(is) {
      if (is) gateway.call("sessions.subscribe").catch(() => {});
      view.online(is);
      chat.online(is);
    },
  };
}

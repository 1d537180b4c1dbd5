// Sessions: which there are, and a chat with the chosen one.

import { Chat } from "./chat.js";
import { el, failure, fill, moment, say } from "./dom.js";
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
    const known = new Map(Array.from(list.children, (item) => [item.dataset.key, item]));
    const items = sessions.map((session) => renewed(known.get(session.key), row(session)));
    if (total > sessions.length) {
      items.push(el("li", { class: "dim" }, `and ${total - sessions.length} more`));
    }
    // What is in its place stays there: a click begins and ends on one element.
    items.forEach((item, at) => {
      if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
    });
    while (list.children.length > items.length) list.lastElementChild.remove();
    if (focused) {
      const kept = Array.from(list.querySelectorAll("button"));
      kept.find((button) => button.dataset.key === focused)?.focus();
    }
  }

  function row({ key, lastMessagePreview, updatedAt, status }) {
    return el("li", { "data-key": key },
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

/** The item that is there already, if there is one, as it is now. */
function renewed(old, fresh) {
  if (!old || old.isEqualNode(fresh)) return old ?? fresh;
  const [button, next] = [old.firstElementChild, fresh.firstElementChild];
  const [parts, now] = [Array.from(button.children), Array.from(next.children)];
  if (parts.length === now.length) parts.forEach((part, at) => say(part, now[at].textContent));
  else button.replaceChildren(...next.childNodes);
  if (next.hasAttribute("aria-current")) button.setAttribute("aria-current", "true");
  else button.removeAttribute("aria-current");
  return old;
}

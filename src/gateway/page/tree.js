// The supervision tree, live. Elements are kept by path, so that what a person has folded or
// focused stays as it is while the figures change.

import { duration, el, failure, fill, say } from "./dom.js";
import { polled } from "./view.js";

export const title = "Tree";
const EVERY_MS = 2_000;

export function mount(root, gateway) {
  const note = el("div");
  const list = el("ul", { class: "tree" });
  root.append(note, list);
  return polled(async () => {
    try {
      const tree = await gateway.call("telson.tree");
      fill(note);
      patch(list, [tree]);
    } catch (error) {
      fill(note, failure(error));
    }
  }, EVERY_MS);
}

/** Makes a list show these nodes, keeping the elements of those it shows already. */
function patch(list, nodes) {
  const known = new Map(Array.from(list.children, (item) => [item.dataset.id, item]));
  nodes.forEach((node, index) => {
    const item = known.get(node.id) ?? made(node);
    known.delete(node.id);
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
    update(item, node);
  });
  for (const gone of known.values()) gone.remove();
}

function made(node) {
  const head = [
    el("span", { class: "name" }, node.id),
    el("span", { class: "state" }),
    el("span", { class: "facts" }),
  ];
  const below = el("ul");
  const isBranch = node.children.length > 0;
  const body = isBranch
    ? el("details", { open: true }, el("summary", {}, head), below)
    : el("div", { class: "leaf" }, head, below);
  return el("li", { "data-id": node.id, "data-branch": isBranch }, body);
}

function update(item, node) {
  if (item.hasAttribute("data-branch") !== node.children.length > 0) {
    const fresh = made(node);
    item.replaceChildren(...fresh.childNodes);
    item.toggleAttribute("data-branch", node.children.length > 0);
  }
  const [head, below] = [item.firstElementChild, item.querySelector("ul")];
  const state = head.querySelector(".state");
  state.dataset.state = node.state;
  say(state, node.state);
  say(head.querySelector(".facts"), facts(node));
  patch(below, node.children);
}

function facts(node) {
  const facts = [];
  if (typeof node.kind === "object") facts.push(Object.values(node.kind)[0]);
  if (node.live !== null) facts.push(`${node.live} live`);
  if (node.restarts > 0) facts.push(`restarted ${node.restarts}x`);
  if (node.mailbox_depth > 0) facts.push(`${node.mailbox_depth} queued`);
  if (node.idle_ms !== null) facts.push(`last work ${duration(node.idle_ms)} ago`);
  if (node.last_error) facts.push(node.last_error);
  if (node.note) facts.push(node.note);
  return facts.join(" · ");
}

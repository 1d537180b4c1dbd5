// Channels and models: whether each works, read from the supervision tree itself.

import { el, failure, fill } from "./dom.js";
import { polled } from "./view.js";

export const title = "Channels";
const EVERY_MS = 3_000;
/** Children of the edge that are no channel. */
const OWN = new Set(["control", "gateway"]);

export function mount(root, gateway) {
  const content = el("div");
  root.append(content);
  return polled(async () => {
    try {
      const [tree, status] = await Promise.all([
        gateway.call("telson.tree"), gateway.call("status"),
      ]);
      fill(content, notices(status), load(status.load), groups(tree));
    } catch (error) {
      fill(content, failure(error));
    }
  }, EVERY_MS);
}

function notices(status) {
  return (status.notices ?? []).map((notice) => el("p", { class: "bad", role: "alert" }, notice));
}

function load(load) {
  if (!load) return null;
  const figures = [
    ["waiting", load.waiting], ["undelivered", load.undelivered], ["dead letters", load.dead_letters],
  ];
  return el("dl", { class: "figures" }, figures.map(([name, value]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value ?? "?"))));
}

function groups(tree) {
  const accounts = at(tree, ["edge"]).filter((node) => !OWN.has(node.id));
  return [["Channels", accounts], ["Models", at(tree, ["core", "providers"])]].map(([name, nodes]) => [
    el("h3", {}, name),
    nodes.length === 0
      ? el("p", { class: "dim" }, "none")
      : el("ul", { class: "cards" }, nodes.map(card)),
  ]);
}

function at(tree, path) {
  let node = tree;
  for (const part of path) node = node?.children.find((child) => child.id === part);
  return node?.children ?? [];
}

function card(node) {
  const troubles = trouble(node, "");
  const state = node.state !== "running" ? node.state : troubles.length > 0 ? "troubled" : "running";
  return el("li", { class: "card" },
    el("strong", {}, node.id), " ", el("span", { class: "state", "data-state": state }, state),
    troubles.map((text) => el("p", { class: "bad" }, text)));
}

/** What in here does not run as it should. */
function trouble(node, prefix) {
  const path = prefix + node.id;
  const own = node.state !== "running"
    ? [`${path}: ${node.last_error ?? node.state}`]
    : node.note ? [`${path}: ${node.note}`] : [];
  return [...own, ...node.children.flatMap((child) => trouble(child, `${path}/`))];
}

// The page: takes the token, connects, shows one view at a time and how the connection is.

import { el, say } from "./dom.js";
import { Gateway } from "./gateway.js";
import * as channels from "./channels.js";
import * as journeys from "./journeys.js";
import * as letters from "./letters.js";
import * as sessions from "./sessions.js";
import * as theme from "./theme.js";
import * as token from "./token.js";
import * as tree from "./tree.js";

const VIEWS = { tree, channels, sessions, letters, journeys };
const gateway = new Gateway();
const door = document.getElementById("door");
const shown = new Map();

function start() {
  token.takeFromAddress();
  theme.start(document.getElementById("theme"));
  for (const [name, view] of Object.entries(VIEWS)) add(name, view);
  gateway.addEventListener("state", ({ detail }) => connection(detail));
  door.addEventListener("submit", enter);
  addEventListener("hashchange", choose);
  addEventListener("online", () => gateway.hurry());
  document.addEventListener("visibilitychange", () => document.hidden || gateway.hurry());
  choose();
  if (token.token()) gateway.open(token.token());
  else connection({ state: "refused", why: "" });
}

function add(name, view) {
  const link = el("a", { href: `#${name}` }, view.title);
  const heading = el("h2", { id: `${name}-title` }, view.title);
  const section = el("section", { "aria-labelledby": heading.id, hidden: true }, heading);
  document.getElementById("views").append(link);
  document.getElementById("main").append(section);
  shown.set(name, { link, section, view: view.mount(section, gateway) });
}

function choose() {
  // A link with a token in it, followed while the page is open.
  if (location.hash.startsWith("#token=")) {
    token.takeFromAddress();
    if (token.token()) gateway.open(token.token());
  }
  const wanted = location.hash.slice(1);
  const name = shown.has(wanted) ? wanted : "tree";
  for (const [other, { link, section, view }] of shown) {
    const isShown = other === name;
    section.hidden = !isShown;
    if (isShown) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    view.visible(isShown);
  }
}

function connection({ state, why }) {
  const said = why && state !== "refused" ? `${state}: ${why}` : state;
  const status = document.getElementById("state");
  status.dataset.state = state;
  say(status, state === "refused" && !why ? "not connected" : said);
  document.body.dataset.state = state;
  door.hidden = state !== "refused";
  say(document.getElementById("door-why"), why);
  if (state === "refused" && why) token.forget();
  for (const { view } of shown.values()) view.online(state === "online");
}

function enter(event) {
  event.preventDefault();
  const field = document.getElementById("door-token");
  token.keep(field.value.trim());
  field.value = "";
  gateway.open(token.token());
}

start();

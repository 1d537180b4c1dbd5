// Journeys: what became of a message, and what happens to all of them as it happens.

import { el, failure, fill, moment } from "./dom.js";

export const title = "Journeys";
const KEPT_MAX = 200;

export function mount(root, gateway) {
  const field = el("input", { id: "why", type: "search", required: true, autocomplete: "off" });
  const found = el("div", { id: "found", "aria-live": "polite" });
  const onsubmit = (event) => {
    event.preventDefault();
    why(field.value);
  };
  const feed = el("ol", { id: "feed", class: "feed", reversed: true });
  root.append(
    el("form", { class: "row", role: "search", onsubmit },
      el("label", { for: "why" }, "A piece of a message's text, its platform id, or m12, e7, d3"),
      field, el("button", { type: "submit", class: "main" }, "What became of it?")),
    found, el("h3", {}, "Now"), feed);

  async function why(query) {
    try {
      const { journeys } = await gateway.call("telson.why", { query });
      fill(found, journeys.length === 0
        ? el("p", { class: "dim" }, "nothing in the journal matches")
        : journeys.map(journey));
    } catch (error) {
      fill(found, failure(error));
    }
  }

  let waiting = [];
  gateway.on("telson.journey", (event) => {
    if (waiting.length === 0) requestAnimationFrame(draw);
    waiting = [...waiting.slice(-KEPT_MAX), step(event)];
  });
  gateway.on("telson.journey.missed", ({ events }) => {
    if (waiting.length === 0) requestAnimationFrame(draw);
    waiting.push(el("li", { class: "dim" }, `${events} steps came too fast to be shown`));
  });

  function draw() {
    feed.prepend(...waiting.reverse());
    waiting = [];
    while (feed.children.length > KEPT_MAX) feed.lastElementChild.remove();
  }

  /** A step; its numbers lead to the whole journey. */
  function step({ at, session, event, ...facts }) {
    const number = name(event, facts);
    const look = () => {
      field.value = number;
      why(number);
    };
    const link = number && el("button", { type: "button", class: "link", onclick: look }, number);
    const text = facts.reason ?? facts.excerpt ?? "";
    return el("li", { "data-step": event },
      el("time", {}, new Date(at).toLocaleTimeString()), " ",
      el("strong", {}, event.replaceAll("_", " ")), " ", link, " ", text, " ",
      el("span", { class: "dim" }, session));
  }

  return {
    visible() {},
    online(is) {
      // Also for the views that refresh on what happens.
      if (is) gateway.call("telson.journey.subscribe").catch((error) => fill(feed, failure(error)));
    },
  };
}

function name(event, { message, entry, entries, dead_letter: letter }) {
  if (message !== undefined) return `m${message}`;
  if (entry !== undefined) return `e${entry}`;
  if (letter !== undefined) return `d${letter}`;
  return entries?.length > 0 ? `e${entries[0]}` : null;
}

function journey({ state, reason, message, turn, entries, replayed = [] }) {
  const lines = [];
  if (message) {
    lines.push(["written", moment(message.sent_at)], ["admitted", moment(message.admitted_at)]);
    lines.push(["session", message.session], ["platform id", message.platform_id]);
  }
  if (turn?.model) lines.push(["turn", `${turn.model}, until ${moment(turn.finished_at)}`]);
  return el("article", { class: "card" },
    el("p", {}, el("span", { class: "state", "data-state": state }, state.replaceAll("_", " ")),
      reason && ` ${reason}`),
    message && el("p", {}, el("strong", {}, message.id ?? "-"), ` from ${message.sender}`),
    message && el("blockquote", {}, message.text),
    replayed.map(replay),
    el("dl", {}, lines.filter(([, value]) => value).map(([key, value]) =>
      el("div", {}, el("dt", {}, key), el("dd", {}, value)))),
    entries.map(entry));
}

/** What a message or an entry was before a person put it back to work. */
function replay({ dead_letter: letter, was, reason, dead_since: since, at, said }) {
  return el("p", { class: "dim" },
    `${moment(at)} replayed from dead letter ${letter}, which was ${was} since ${moment(since)}: ${reason}`,
    said && ` (it said "${said}")`);
}

function entry({
  id, state, to, text, notes, delivered_at: at, platform_id: platform, replayed = [],
}) {
  return el("div", { class: "entry" },
    el("p", {}, el("strong", {}, id), " ",
      el("span", { class: "state", "data-state": state }, state.replaceAll("_", " ")), ` to ${to}`),
    el("blockquote", {}, text),
    replayed.map(replay),
    notes.map((note) => el("p", { class: "dim" }, `${moment(note.at)} ${note.outcome}`)),
    at && el("p", { class: "dim" }, `${moment(at)} delivered ${platform ?? ""}`));
}

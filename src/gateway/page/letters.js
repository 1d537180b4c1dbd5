// Dead letters: what could not be finished, to be put back to work, as it is or changed, or dropped.

import { el, failure, fill, moment } from "./dom.js";
import { polled, soon } from "./view.js";

export const title = "Dead letters";
const EVERY_MS = 5_000;

export function mount(root, gateway) {
  const said = el("p", { role: "status" });
  const list = el("ul", { class: "cards", id: "letters" });
  root.append(said, list);
  let seen = null;
  const view = polled(async () => {
    // What a person is editing is not taken away under their hands.
    if (list.querySelector("form, .sure")) return;
    try {
      const answer = await gateway.call("telson.deadLetters.list");
      if (JSON.stringify(answer) === seen) return;
      seen = JSON.stringify(answer);
      show(answer);
    } catch (error) {
      seen = null;
      fill(list, failure(error));
    }
  }, EVERY_MS);
  gateway.on("telson.journey", soon(view.look));

  function show({ deadLetters, damaged }) {
    if (deadLetters.length + damaged.length === 0) {
      fill(list, el("li", { class: "dim" }, "none: everything accepted was finished"));
      return;
    }
    fill(list, deadLetters.map((letter) => card(letter, true)),
      damaged.map((record) => card(record, false)));
  }

  /** One letter; a damaged record can only be dropped. */
  function card(letter, isWhole) {
    const item = el("li", { class: "card", "data-id": letter.id });
    const buttons = el("div", { class: "buttons" });
    const canReplay = isWhole && letter.kind !== "row";
    if (canReplay) {
      buttons.append(button("Replay", letter, "main", () => act("replay", { id: letter.id })));
      buttons.append(button("Edit", letter, "", () => edit(item, letter)));
    }
    buttons.append(button("Drop", letter, "", () => sure(buttons, letter)));
    return fill(item,
      el("p", {}, el("strong", {}, letter.id), ` ${letter.kind} · ${letter.reason} · `,
        el("span", { class: "dim" }, moment(letter.at))),
      el("p", {}, letter.who, letter.detail && el("span", { class: "bad" }, ` ${letter.detail}`)),
      el("blockquote", {}, letter.text), buttons);
  }

  function button(text, letter, kind, onclick) {
    const label = `${text} ${letter.id}`;
    return el("button", { type: "button", class: kind, "aria-label": label, onclick }, text);
  }

  function sure(buttons, letter) {
    const no = el("button", { type: "button", onclick: again }, "Keep it");
    fill(buttons, el("span", { class: "sure" }, `Forget ${letter.id} for good?`),
      button("Really drop", letter, "danger", () => act("drop", { id: letter.id })), no);
    no.focus();
  }

  async function edit(item, letter) {
    try {
      const whole = await gateway.call("telson.deadLetters.show", { id: letter.id });
      const text = el("textarea", { rows: 5, id: `edit-${letter.id}`, required: true });
      text.value = whole.text;
      const onsubmit = (event) => {
        event.preventDefault();
        act("replay", { id: letter.id, text: text.value });
      };
      item.querySelector(".buttons").replaceWith(el("form", { onsubmit },
        el("label", { for: text.id }, `Text of ${letter.id}`), text,
        el("div", { class: "buttons" },
          el("button", { type: "submit", class: "main" }, "Replay with this text"),
          el("button", { type: "button", onclick: again }, "Leave it"))));
      text.focus();
    } catch (error) {
      fill(said, failure(error));
    }
  }

  async function act(what, params) {
    try {
      const { result } = await gateway.call(`telson.deadLetters.${what}`, params);
      fill(said, result);
    } catch (error) {
      fill(said, failure(error));
    }
    again();
  }

  function again() {
    seen = null;
    fill(list);
    view.look();
  }

  return view;
}

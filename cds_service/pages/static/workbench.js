// Drops files, decides again in place, sends feedback and real calls. The server makes all of the HTML.
"use strict";

const byId = (id) => document.getElementById(id);
const say = (text, place = byId("status")) => { place.textContent = text; };

/** What the service says in refusing: the diagnostics of its OperationOutcome, else the status alone. */
function refusal(status, body) {
  try {
    return `The service answered ${status}: ${JSON.parse(body).issue[0].diagnostics}`;
  } catch {
    return `The service answered ${status}.`;
  }
}

async function post(address, body, headers = {}) {
  try {
    const answer = await fetch(address, { method: "POST", body, headers });
    const text = await answer.text();
    return answer.ok ? { text } : { refused: refusal(answer.status, text) };
  } catch {
    return { refused: "The service cannot be reached." };
  }
}

const postJson = (address, body) => post(address, body, { "Content-Type": "application/json" });

/** Tries a form and puts the outcome into the page, the reader at its heading. */
async function show(form, heading) {
  say("Deciding …");
  const { text, refused } = await post("/workbench/try", form);
  if (refused) return say(refused);
  const page = new DOMParser().parseFromString(text, "text/html");
  byId("outcome").replaceWith(document.adoptNode(page.getElementById("outcome")));
  document.title = page.title;
  (byId(heading) ?? byId("outcome-title")).focus();
  const cards = document.querySelectorAll("[data-card]").length;
  say(`Decided: ${cards} card${cards === 1 ? "" : "s"}.`);
}

/** Feedback on a card, as an EHR sends it. */
async function react(button) {
  const card = button.closest("[data-card]");
  const said = card.querySelector(".said");
  if (button.getAttribute("aria-disabled") === "true") return;
  const { suggestion, code, system } = button.dataset;
  const outcome = suggestion
    ? { outcome: "accepted", acceptedSuggestions: [{ id: suggestion }] }
    : { outcome: "overridden", overrideReason: { reason: { code, system } } };
  const feedback = [{ card: card.dataset.card, outcomeTimestamp: new Date().toISOString(), ...outcome }];
  const { refused } = await postJson(`/cds-services/${card.dataset.service}/feedback`, JSON.stringify({ feedback }));
  if (refused) return say(refused, said);
  button.setAttribute("aria-pressed", "true");
  button.setAttribute("aria-disabled", "true");
  if (suggestion) return say("Accepted; the feedback was taken. Nothing is ordered: this is no EHR.", said);
  card.classList.add("set-aside");
  said.tabIndex = -1;
  said.focus();
  say(`Set aside (${button.textContent.trim()}); the feedback was taken.`, said);
}

/** The request as a call like any other; its cards are then shown in place of those that were tried. */
async function sendForReal(button) {
  const form = new FormData(byId("change"));
  const { text, refused } = await postJson(`/cds-services/${button.dataset.service}`, form.get("request"));
  if (refused) return say(refused);
  form.set("answer", text);
  await show(form, "cards");
}

document.addEventListener("submit", (event) => {
  const { target } = event;
  if (target.id !== "drop" && target.id !== "change") return;
  event.preventDefault();
  show(new FormData(target), target.id === "change" ? "changed" : "outcome-title");
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.matches("[data-suggestion], [data-code]")) react(button);
  else if (button?.id === "send") sendForReal(button);
});

byId("file").addEventListener("change", () => byId("call")?.remove()); // it was of another file

document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  if (!event.dataTransfer.files.length) return;
  byId("file").files = event.dataTransfer.files;
  byId("call")?.remove();
  byId("drop").requestSubmit();
});

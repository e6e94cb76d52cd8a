// The page: one view of the state, the keys, and the start.
let drawn = [];

function show() {
  const next =
    !state.me && state.door != null ? [door()] : !state.me ? [waiting()] : !can("read") ? [closed()] : page();
  const root = document.getElementById("app");
  render(root, drawn, next);
  drawn = next;
  const fresh = newest(versionsNow());
  const title = `${state.drained ? "✓ " : ""}${state.service ? `${state.service}${fresh ? ` ${percent(fresh.weight)}` : ""} · ` : ""}canary`;
  if (document.title !== title) document.title = title;
}

function page() {
  const none = state.services?.length === 0 && !state.service;
  const body = none
    ? [banners(), notices(), empty()]
    : [
        banners(),
        title(),
        notices(),
        facts(true),
        split(),
        state.rollout ? rollout() : rail(),
        versions(),
        h("div.two", { key: "two" }, historyOf(), h("div.aside", replicasOf(), explainPanel())),
      ];
  return [
    bar(),
    h(
      "div",
      { class: `frame${isOld() ? " old" : ""}`, key: "frame" },
      services(),
      h("main", { id: "main", tabindex: -1 }, body),
    ),
    dialogOf(),
  ].filter(Boolean);
}

function flip() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}

function keys(event) {
  const command = event.ctrlKey || event.metaKey;
  if (command && event.key.toLowerCase() === "k") {
    event.preventDefault();
    const field = document.getElementById("filter");
    (field?.checkVisibility() ? field : document.querySelector(".pick"))?.focus();
  } else if (command && event.key === "Enter" && !state.dialog) applyDraft();
  else if (event.key === "Escape" && !state.dialog) {
    const menu = document.querySelector("details.menu[open]");
    if (!menu) return discardDraft();
    menu.open = false;
    menu.querySelector("summary").focus();
  }
}

// A menu closes when something else is used.
function leave({ target }) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
}

document.addEventListener("keydown", keys);
document.addEventListener("click", leave);
document.addEventListener("focusin", leave);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) listening.abort();
  else if (state.service) listen();
});
addEventListener("hashchange", open);
paint();
enter().then(tick);

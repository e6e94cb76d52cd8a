// The page: one view of the state, the keys, and the start.
function show() {
  const view = !state.me ? (state.door == null ? waiting : door) : can("read") ? page : closed;
  render(document.getElementById("app"), h("div", view()).children);
  const fresh = newest(versionsNow());
  const where = state.service && `${state.service}${fresh ? ` ${percent(fresh.weight)}` : ""} · `;
  const title = `${state.drained ? "✓ " : ""}${where ?? ""}canary`;
  if (document.title !== title) document.title = title;
}

function page() {
  const body = () => [
    title(),
    notices(),
    facts("low"),
    split(),
    state.rollout ? rollout() : rail(),
    versions(),
    h("div.two", { key: "two" }, historyOf(), h("div.aside", replicasOf(), explainPanel())),
  ];
  const none = state.services?.length === 0 && !state.service;
  return [
    topBar(),
    h(
      "div.frame",
      { class: isOld() && "old" },
      services(),
      h("main", { id: "main", tabindex: -1 }, banners(), none ? [notices(), empty()] : body()),
    ),
    dialogOf(),
  ];
}

function flip() {
  const { dataset } = document.documentElement;
  const theme = dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  dataset.theme = theme === "dark" ? "light" : "dark";
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
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else discardDraft();
  }
  paint();
}

// A menu closes when something else is used.
function closeOthers({ target }) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
}

document.addEventListener("keydown", keys);
document.addEventListener("click", closeOthers);
document.addEventListener("focusin", closeOthers);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) listening.abort();
  else if (state.service) listen();
});
addEventListener("hashchange", open);
paint();
enter().then(tick);

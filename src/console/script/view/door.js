// The page before somebody is signed in, and for somebody who may not read.
function door() {
  const enterWith = event => {
    event.preventDefault();
    const form = event.target;
    keep(form.elements.token.value.trim(), form.elements.stay.checked);
    enter();
  };
  return h(
    "main",
    { id: "main", key: "door", class: "door panel", tabindex: -1 },
    h("h1", { class: "mark" }, logo(), "canary"),
    state.door && h("p", { class: "said bad", role: "alert" }, state.door),
    meta("canary-login") && h("p", null, h("a", { href: meta("canary-login") }, "Sign in")),
    h(
      "form",
      { onsubmit: enterWith },
      h("label", { for: "token" }, "Admin token"),
      h("input", { id: "token", name: "token", type: "password", autocomplete: "off", required: true }),
      h("label", null, h("input", { name: "stay", type: "checkbox" }), "until I close this tab"),
      h("button", { class: "main" }, "Sign in"),
      h("small", null, "Without the box the token is kept in the memory of this page alone: a reload forgets it."),
    ),
  );
}

const closed = () =>
  h(
    "main",
    { id: "main", key: "door", class: "door panel", tabindex: -1 },
    h("h1", { class: "mark" }, logo(), "canary"),
    h("p", null, user(state.me.subject), " may not see this page: the sign-in has no scope canary:read."),
    !state.host && button("Sign out", { onclick: () => out("") }),
  );

const waiting = () =>
  h(
    "main",
    { id: "main", key: "door", class: "door panel", tabindex: -1 },
    h("h1", { class: "mark" }, logo(), "canary"),
    h("p", null, state.lost ? user(state.lost.title) : "Loading …"),
  );

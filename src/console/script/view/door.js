// The page before somebody is signed in, and for somebody who may not read.
const gate = (...body) =>
  h("main.door.panel", { id: "main", key: "door", tabindex: -1 }, h("h1.mark", logo(), "canary"), body);

function door() {
  const signIn = event => {
    event.preventDefault();
    const { token, stay } = event.target.elements;
    keep(token.value.trim(), stay.checked);
    enter();
  };
  return gate(
    state.door && h("p.said.bad", { role: "alert" }, state.door),
    login && h("p", h("a", { href: login }, "Sign in")),
    h(
      "form",
      { onsubmit: signIn },
      h("label", { for: "token" }, "Admin token"),
      h("input", { id: "token", type: "password", autocomplete: "off", required: true }),
      h("label", h("input", { name: "stay", type: "checkbox" }), "stay signed in until I close this tab"),
      h("button.main", "Sign in"),
      h("small", "Without the box the token is kept in the memory of this page alone: a reload forgets it."),
    ),
  );
}

const closed = () =>
  gate(
    h("p", user(state.me.subject), " may not see this page: the sign-in has no scope canary:read."),
    !state.host && button("Sign out", () => out("")),
  );

const waiting = () => gate(h("p", state.lost ? user(state.lost.title) : "Loading …"));

// Elements from descriptions. Text is only ever text: nothing here reads HTML.
const DRAWN = ["svg", "rect", "line", "path", "polyline", "text"];

// Describes an element: its tag, with classes after dots, its properties if it has any, and its children. Children that
// are null or a boolean are left out.
function h(name, ...rest) {
  const [tag, ...classes] = name.split(".");
  const props = rest[0]?.constructor === Object && !rest[0].tag ? { ...rest.shift() } : {};
  props.class = [...classes, props.class].filter(Boolean).join(" ") || null;
  const children = rest.flat(Infinity).filter(child => child != null && typeof child !== "boolean");
  return { tag, props, children };
}

const memos = new Map();

// What `describe` returned last, as long as the values that it depends on are the same.
function memo(name, values, describe) {
  const last = memos.get(name);
  if (last && values.every((value, i) => value === last.values[i])) return last.node;
  const node = describe();
  memos.set(name, { values, node });
  return node;
}

// Text of a person or a backend: its direction does not reach the text beside it.
const user = text => h("bdi", text);

// Makes the page what `nodes` describes.
function render(parent, nodes) {
  const focused = document.activeElement;
  fill(parent, nodes);
  for (const dialog of document.querySelectorAll("dialog:not([open])")) dialog.showModal();
  if (document.activeElement !== document.body || focused === document.body) return;
  // A row that moved lost the focus. A removed element gives it to the page.
  const heir = focused.isConnected ? focused : document.querySelector("main");
  heir?.focus({ preventScroll: true });
}

// Elements with the same place stand for each other: the tag with a key, or in the order of the children.
const place = node => `${node?.tag} ${node?.props?.key}`;

// Makes the children of `parent` those of `nodes`, and keeps the elements that can stay.
function fill(parent, nodes) {
  const spare = Map.groupBy(parent.childNodes, dom => place(dom.node));
  const kept = nodes.map(node => spare.get(place(node))?.shift());
  for (const dom of [...spare.values()].flat()) {
    dom.close?.();
    dom.remove();
  }
  let at = parent.firstChild;
  for (const [i, node] of nodes.entries()) {
    const dom = kept[i] ?? create(node.tag);
    update(dom, node);
    if (dom === at) at = at.nextSibling;
    else parent.insertBefore(dom, at);
  }
}

function create(tag) {
  if (!tag) return document.createTextNode("");
  return DRAWN.includes(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
}

function update(dom, node) {
  const old = dom.node;
  // What `memo` kept has not changed.
  if (old === node) return;
  dom.node = node;
  if (!node.tag) {
    dom.data = node;
    return;
  }
  fill(dom, node.children);
  for (const name in { ...old?.props, ...node.props }) {
    if (name !== "key" && old?.props[name] !== node.props[name]) set(dom, name, node.props[name]);
  }
}

function set(dom, name, value) {
  if (name === "value") write(dom, value ?? "");
  else if (name === "checked") dom.checked = value;
  else if (name.startsWith("on")) dom[name] = value ? react(value) : null;
  else if (value == null || value === false) dom.removeAttribute(name);
  else dom.setAttribute(name, value === true ? "" : value);
}

// What a person does may change anything on the page.
const react = act => event => {
  act(event);
  paint();
};

// "12." and "12.0" are the number 12 while someone types.
function write(dom, value) {
  const same = dom.type === "number" && dom.value !== "" ? Number(dom.value) === value : dom.value === value;
  if (!same) dom.value = value;
}

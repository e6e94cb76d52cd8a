// Elements from descriptions. Text is only ever text: nothing here reads HTML.
const DRAWN = new Set(["svg", "rect", "line", "path", "polyline", "text"]);

// Describes an element: its tag, with classes after dots, its properties if it has any, and its children. Children that
// are null or a boolean are left out.
function h(name, ...rest) {
  const [tag, ...classes] = name.split(".");
  const props = isProps(rest[0]) ? { ...rest.shift() } : {};
  if (classes.length) props.class = [...classes, props.class].filter(Boolean).join(" ");
  const children = rest.flat(Infinity).filter(child => child != null && typeof child !== "boolean");
  return { tag, props, children: children.map(child => (child.tag ? child : { text: String(child) })) };
}

const isProps = it => it?.constructor === Object && !it.tag;

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

// Dialogs that were just made: they open once they are in the document.
let opening = [];

// Makes the children of `parent` those that `nexts` describes, and keeps the elements that can stay.
function render(parent, olds, nexts) {
  const focused = document.activeElement;
  reconcile(parent, olds, nexts);
  for (const dialog of opening.splice(0)) dialog.showModal();
  if (document.activeElement !== document.body || focused === document.body) return;
  // A row that moved lost the focus. A removed element gives it to the page.
  const heir = focused.isConnected ? focused : document.querySelector("main");
  heir?.focus({ preventScroll: true });
}

function reconcile(parent, olds, nexts) {
  const spare = new Map();
  for (const old of olds) spare.set(place(old), [...(spare.get(place(old)) ?? []), old]);
  const pairs = nexts.map(next => [next, spare.get(place(next))?.shift()]);
  for (const old of [...spare.values()].flat()) discard(old.dom);
  let at = parent.firstChild;
  for (const [next, old] of pairs) {
    const dom = old ? update(old, next) : create(next);
    if (dom === at) at = at.nextSibling;
    else parent.insertBefore(dom, at);
  }
}

// Elements with the same place stand for each other: a key, or the tag in the order of the children.
const place = node => (node.props?.key != null ? `key ${node.props.key}` : (node.tag ?? "text"));

function discard(dom) {
  if (dom.tagName === "DIALOG") dom.close();
  dom.remove();
}

function create(node) {
  if (node.tag == null) return (node.dom = document.createTextNode(node.text));
  const svg = DRAWN.has(node.tag) && "http://www.w3.org/2000/svg";
  node.dom = svg ? document.createElementNS(svg, node.tag) : document.createElement(node.tag);
  node.dom.append(...node.children.map(create));
  set(node.dom, {}, node.props);
  if (node.tag === "dialog") opening.push(node.dom);
  return node.dom;
}

function update(old, next) {
  // What `memo` kept has not changed.
  if (old === next) return old.dom;
  next.dom = old.dom;
  if (next.tag == null) {
    if (old.text !== next.text) next.dom.data = next.text;
    return next.dom;
  }
  // A key may come back with another tag.
  if (old.tag !== next.tag) {
    old.dom.replaceWith(create(next));
    return next.dom;
  }
  reconcile(next.dom, old.children, next.children);
  set(next.dom, old.props, next.props);
  return next.dom;
}

function set(dom, old, next) {
  for (const name of new Set([...Object.keys(old), ...Object.keys(next)])) {
    const value = next[name];
    if (name === "key" || old[name] === value) continue;
    if (name.startsWith("on")) dom[name] = value ?? null;
    else if (name === "checked") dom.checked = Boolean(value);
    else if (name === "value") fill(dom, value ?? "");
    else if (value == null || value === false) dom.removeAttribute(name);
    else dom.setAttribute(name, value === true ? "" : value);
  }
}

// "12." and "12.0" are the number 12 while someone types.
function fill(dom, value) {
  const same = dom.type === "number" && dom.value !== "" ? Number(dom.value) === value : dom.value === value;
  if (!same) dom.value = value;
}

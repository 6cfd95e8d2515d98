// Making elements. Every text goes in as text, so that nothing that a user wrote is ever taken for markup.

// What turns the direction of a text, or is not seen at all, stands in it as its number, as backfillctl shows it: nobody's
// words can rearrange the ones beside them.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
const plain = (text) => String(text).replace(UNSEEN, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
const part = (child) => (child instanceof Node ? child : plain(child));
const READ = new Set(["title", "aria-label", "aria-valuetext"]);

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : READ.has(name) ? plain(value) : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false).map(part));
  return element;
}

// Sets the text where it is another one: what does not change is not announced, and a selection stays.
export function say(element, text) {
  const said = plain(text);
  if (element.textContent !== said) element.textContent = said;
}

export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

export function replace(element, ...children) {
  element.replaceChildren(...children.flat().filter(Boolean).map(part));
}

function become(old, wanted) {
  if (old.nodeType !== wanted.nodeType || old.nodeName !== wanted.nodeName) {
    old.replaceWith(wanted);
  } else if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== wanted.data) old.data = wanted.data;
  } else {
    for (const {name} of [...old.attributes]) if (!wanted.hasAttribute(name)) old.removeAttribute(name);
    for (const {name, value} of wanted.attributes) {
      if (name !== "style" && old.getAttribute(name) !== value) old.setAttribute(name, value); // a style is set below
    }
    if (old.style.cssText !== wanted.style.cssText) old.style.cssText = wanted.style.cssText;
    match(old, [...wanted.childNodes]);
  }
}

function match(element, wanted) {
  const there = [...element.childNodes];
  wanted.forEach((node, at) => (at < there.length ? become(there[at], node) : element.append(node)));
  there.slice(wanted.length).forEach((node) => node.remove());
}

// As replace, but what is the same stays the same element: what is read anew every other second keeps a reader's selection and
// place. Not for children that listen to something.
export function refresh(element, ...children) {
  match(element, children.flat().filter(Boolean));
}

// Names beside their values; those without a value are left out.
export function facts(pairs) {
  return h("dl", {class: "facts"}, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

// A bar with its numbers for those who do not see it. `set(fraction or null, text, goes back)`.
export function bar(label) {
  const fill = h("div", {class: "fill"});
  const said = {role: "progressbar", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": "100"};
  const element = h("div", {class: "bar", ...said}, fill);
  return {
    element,
    set(fraction, text, back = false) {
      element.classList.toggle("back", back);
      element.setAttribute("aria-label", back ? `${label} of the way back` : label);
      fill.style.width = `${(fraction ?? 0) * 100}%`;
      if (fraction === null) element.removeAttribute("aria-valuenow");
      else element.setAttribute("aria-valuenow", String(Math.floor(fraction * 100)));
      element.setAttribute("aria-valuetext", text);
    },
  };
}

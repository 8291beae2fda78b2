// Functions that create elements without strings of markup, so user input cannot
// become an element or a script.

// el creates an element. A property that is a function is a listener for the event
// of its name. Other properties are attributes: true sets an attribute without a
// value, and false and null do not set it.
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

// svg is like el, but creates SVG elements.
export function svg(tag, properties = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// heading creates the title of a view. It gets the focus when the view is shown,
// so that keyboard users and screen readers start there.
export function heading(...content) {
  return el('h1', { tabindex: '-1' }, ...content);
}

// place makes the nodes the children of parent, in order. Nodes that are in the
// right place are not moved, because moving a node removes its focus.
export function place(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.childNodes]) {
    if (!wanted.has(child)) child.remove();
  }
  nodes.forEach((node, i) => {
    if (parent.childNodes[i] !== node) parent.insertBefore(node, parent.childNodes[i] ?? null);
  });
}

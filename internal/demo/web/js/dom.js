// Elements without markup in strings: text is always text, so nothing that
// somebody typed can become an element or a script.

// el makes an element. Properties that are functions listen to the event of
// that name; true and false are for attributes without a value; null leaves an
// attribute out.
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

// svg is el for drawings.
export function svg(tag, properties = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// heading is the title of a view. It takes the focus when the view is shown, so
// that the keyboard and screen readers begin there.
export function heading(...content) {
  return el('h1', { tabindex: '-1' }, ...content);
}

// place puts the nodes into the parent, in order, and removes all others. Nodes
// that are where they belong are not touched, since moving one loses its focus.
export function place(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.childNodes]) {
    if (!wanted.has(child)) child.remove();
  }
  nodes.forEach((node, i) => {
    if (parent.childNodes[i] !== node) parent.insertBefore(node, parent.childNodes[i] ?? null);
  });
}

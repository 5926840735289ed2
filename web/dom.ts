type Child = Node | string

interface Attributes {
  readonly [name: string]: string | ((event: Event) => void)
}

/** An element with attributes and children; texts stay texts, whatever they hold. Functions listen to events. */
export function el(tag: string, attributes: Attributes = {}, ...children: Child[]): HTMLElement {
  return complete(document.createElement(tag), attributes, children)
}

export function svg(tag: string, attributes: Attributes = {}, ...children: Child[]): SVGElement {
  return complete(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children)
}

/** The element of the page with this id; the page has it. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no ${id}`)
  return found
}

function complete<E extends Element>(element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'string') element.setAttribute(name, value)
    else element.addEventListener(name, value)
  }
  element.append(...children)
  return element
}

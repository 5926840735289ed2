/** An element of a probe's answer: a name, and its text or its children. */
export type ProbeElement = readonly [name: string, content: string | readonly ProbeElement[]]

/** The document that sr_probe answers, or that it writes to stderr as a hint, in the form that clients parse (spec observed-behaviour 1.8). */
export function probeDocument(root: ProbeElement): string {
  return `<?xml version="1.0" ?>\n${lines(root, 0).join('\n')}\n`
}

function lines([name, content]: ProbeElement, depth: number): string[] {
  const indent = '\t'.repeat(depth)
  if (content.length === 0 && typeof content !== 'string') return [`${indent}<${name}/>`]
  if (typeof content === 'string') return [`${indent}<${name}>${escaped(content)}</${name}>`]
  return [`${indent}<${name}>`, ...content.flatMap(child => lines(child, depth + 1)), `${indent}</${name}>`]
}

function escaped(text: string): string {
  return text
    .replace(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, '\u{FFFD}')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
}

const NAMED = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
])
const ELEMENT = /\s*<([A-Za-z_][\w.-]*)\s*(?:\/>|>([^<]*)<\/\1\s*>)/y
/** What XML 1.0 cannot hold, not even escaped. */
const FORBIDDEN = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu

/**
 * Reads a row of elements that hold text only, in any order, known or not (spec lvhd 9.1). Texts are without the blanks
 * around them. Undefined where it is anything else.
 */
export function parseElements(xml: string): Map<string, string> | undefined {
  const found = new Map<string, string>()
  ELEMENT.lastIndex = 0
  let end = 0
  for (let match = ELEMENT.exec(xml); match !== null; match = ELEMENT.exec(xml)) {
    const [, name = '', content = ''] = match
    const text = unescape(content)
    if (text === undefined) return undefined
    found.set(name, text.trim())
    end = ELEMENT.lastIndex
  }
  return xml.slice(end).trim() === '' ? found : undefined
}

export function element(name: string, text: string): string {
  return `<${name}>${text}</${name}>`
}

/** Escapes as the reference does; characters that XML has no way to write are left out. */
export function escapeText(text: string): string {
  return text.replaceAll(FORBIDDEN, '').replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** The longest start of an escaped text that has at most `bytes` bytes and cuts neither a character nor an entity. */
export function cutText(escaped: string, bytes: number): string {
  let length = 0
  let kept = ''
  for (const [part] of escaped.matchAll(/&[^;]*;|[^&]/gsu)) {
    length += Buffer.byteLength(part)
    if (length > bytes) return kept
    kept += part
  }
  return kept
}

/** Undefined where there is a `&` that begins no entity. */
function unescape(text: string): string | undefined {
  if (/&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[\da-fA-F]{1,6});)/.test(text)) return undefined
  return text.replaceAll(/&([^;]*);/g, (_whole, entity: string) => NAMED.get(entity) ?? fromNumber(entity))
}

function fromNumber(entity: string): string {
  const code = entity.startsWith('#x') ? Number.parseInt(entity.slice(2), 16) : Number(entity.slice(1))
  return code > 0x10ffff ? '' : String.fromCodePoint(code).replaceAll(FORBIDDEN, '')
}

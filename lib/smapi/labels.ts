/**
 * Whether a name or description holds a character that the toolstack's XML cannot carry; such a label is refused
 * with IllegalXMLChar, 447 (spec smapi 7.9). CR is among them, TAB and LF are not.
 */
export function hasIllegalXmlChar(text: string): boolean {
  for (const character of text) {
    if (isIllegal(character.codePointAt(0) ?? 0)) return true
  }
  return false
}

const ILLEGAL_RANGES = [
  [0x0, 0x8],
  [0xb, 0x1f],
  [0x7f, 0x84],
  [0x86, 0x9f],
  [0xd800, 0xdfff],
  [0xfdd0, 0xfddf],
] as const

function isIllegal(code: number): boolean {
  const endsPlane = (code & 0xfffe) === 0xfffe
  return endsPlane || ILLEGAL_RANGES.some(([first, last]) => code >= first && code <= last)
}

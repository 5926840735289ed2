import { hasIllegalXmlChar } from '../../smapi/labels.ts'
import { XapiError } from '../../xapi/XapiClient.ts'

/**
 * Throws XapiError INVALID_VALUE for a name or description that drivers refuse (spec smapi 7.9). A new disk's name goes
 * through its driver; a changed one is read by a later operation, and must not make that fail.
 */
export function requireLabels(labels: Readonly<Record<string, string>>): void {
  for (const [field, text] of Object.entries(labels)) {
    if (hasIllegalXmlChar(text)) throw new XapiError('INVALID_VALUE', [field, text])
  }
}

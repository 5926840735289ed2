import { expect, test } from 'vitest'
import { probeDocument } from '../../drivers/probeXml.ts'

test('a probe answers indented XML with a declaration', () => {
  expect(probeDocument(['SRlist', []])).toBe('<?xml version="1.0" ?>\n<SRlist/>\n')
  expect(probeDocument(['SRlist', [['SR', [['UUID', 'u'], ['Devlist', '']]]]])).toBe(
    '<?xml version="1.0" ?>\n<SRlist>\n\t<SR>\n\t\t<UUID>u</UUID>\n\t\t<Devlist></Devlist>\n\t</SR>\n</SRlist>\n',
  ) // prettier-ignore
})

test('what a server says cannot become markup', () => {
  expect(probeDocument(['Path', '</Path>&\u0001'])).toBe(
    '<?xml version="1.0" ?>\n<Path>&lt;/Path&gt;&amp;\u{FFFD}</Path>\n',
  )
})

import { SmError } from '../smapi/SmError.ts'

const VHD_BLOCK = 2 * 1024 ** 2
/** Bytes. */
const MAX_VHD = 2040 * 1024 ** 3

/** Virtual size, in bytes, that a VHD of a requested size gets: whole blocks, at least one (spec file-sr 9.1). @throws SmError VDISize */
export function roundVirtualSize(requested: number): number {
  if (!(requested >= 0 && requested <= MAX_VHD)) {
    throw new SmError('VDISize', 'VDI size must be between 1 MB and 2088960 MB')
  }
  return Math.ceil(Math.max(requested, 1) / VHD_BLOCK) * VHD_BLOCK
}

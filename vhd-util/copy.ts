export const copy = undefined as never

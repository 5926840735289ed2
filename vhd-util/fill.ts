export const fill = undefined as never

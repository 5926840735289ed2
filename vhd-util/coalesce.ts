export const coalesce = undefined as never

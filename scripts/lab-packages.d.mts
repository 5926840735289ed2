export const labPackages: ReadonlyMap<string, string>
export function missingPackages(): string[]
export function isDebian12(): boolean

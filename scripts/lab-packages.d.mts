export const labPackages: ReadonlyMap<string, string>
export const browserPackages: ReadonlyMap<string, string>
export const clientPackages: ReadonlyMap<string, string>
export function missingPackages(packages?: ReadonlyMap<string, string>): string[]
export function isDebian12(): boolean

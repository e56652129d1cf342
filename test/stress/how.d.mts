export const FLAGS: readonly string[];
export const ENV: Readonly<Record<string, string>>;

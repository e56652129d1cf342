export function fetchMiniLM(): string;

import { parseArgs } from 'node:util';

/** Reads whole-number flags with defaults: `{ seconds: 5 }` reads `--seconds 5`. */
export function readNumbers<const T extends Record<string, number>>(defaults: T): { [K in keyof T]: number } {
  const options = Object.fromEntries(Object.keys(defaults).map(name => [name, { type: 'string' as const }]));
  const { values } = parseArgs({ options });
  const entries = Object.entries(defaults).map(([name, fallback]) => {
    const value = Number(values[name] ?? fallback);
    if (!Number.isInteger(value) || value < 0) throw new Error(`--${name} takes a whole number`);
    return [name, value] as const;
  });
  return Object.fromEntries(entries) as { [K in keyof T]: number };
}

/** A few header names to recognise among many: in lower case, by length, so no two have the same. */
export type NamesByLength = readonly (string | undefined)[];

export function byLength(names: readonly string[]): NamesByLength {
  const found: (string | undefined)[] = [];
  for (const name of names) found[name.length] = name;
  return found;
}

/** Which of the names `sent` is, in whatever case. Whatever has another length is none of them, which most headers have. */
export function nameAmong(names: NamesByLength, sent: string): string | undefined {
  const name = names[sent.length];
  return name !== undefined && sent.toLowerCase() === name ? name : undefined;
}

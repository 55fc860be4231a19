/** Two methods every Buffer of Node has and its types leave out; the generic `write` and `toString` cost three times as much. */
interface Buffer {
  latin1Slice(start?: number, end?: number): string;
  latin1Write(text: string, offset?: number, length?: number): number;
}

/** What every bench gives: a table for people, JSON for scripts. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';

export type Row = Readonly<Record<string, string | number>>;

/** Rows of the same columns, aligned: a line of names, then a line for each. */
export function tableLines(rows: readonly Row[]): string[] {
  const columns = Object.keys(rows[0] ?? {});
  const cells = [columns, ...rows.map(row => columns.map(column => String(row[column] ?? '')))];
  const widths = columns.map((_, index) => Math.max(...cells.map(line => line[index]?.length ?? 0)));
  return cells.map(line => line.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join('  '));
}

export function printTable(title: string, rows: readonly Row[]): void {
  console.log(`\n${title}`);
  for (const line of tableLines(rows)) console.log(line);
}

/** Writes `bench/results/{name}.json`: the result with what it was measured on. */
export function writeResult(name: string, result: object): void {
  const folder = join(import.meta.dirname, '..', 'results');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.json`);
  const machine = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cores: availableParallelism() };
  writeFileSync(
    path,
    `${JSON.stringify({ name, measured_at: new Date().toISOString(), machine, ...result }, null, 2)}\n`,
  );
  console.log(`\nwritten: ${path}`);
}

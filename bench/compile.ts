/**
 * How long an author waits: the first compile of a new endpoint, a recompile after a one-line edit, and the answer for
 * source that was built before; then edit to live: save, compile, deploy, first answer. The build directory is warm, as
 * it is after the first build ever.
 *
 *     npm run bench:compile -- --endpoints 7
 */
import { example } from '../test/support/code.ts';
import { RunningGateway, type ApiData } from '../test/support/gateway.ts';
import { readNumbers } from './harness/numbers.ts';
import { printTable, writeResult, type Row } from './report/table.ts';
import { median, percentile, rounded } from './report/statistics.ts';

const HELLO = example('hello');
const edited = (word: string): string => HELLO.replace('"Hello, {name}!"', `"${word}, {name}!"`);

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

type Sample = Readonly<Record<'first compile' | 'one-line edit' | 'built before' | 'edit to live', number>>;

async function measure(gateway: RunningGateway, id: string): Promise<Sample> {
  const compile = (): Promise<ApiData> => gateway.must('POST', `/endpoints/${id}/compile`);
  const save = (code: string): Promise<ApiData> => gateway.must('PUT', `/endpoints/${id}/code`, { code });
  await gateway.must('POST', '/endpoints', { id, name: id, path: `/${id}`, code: HELLO });
  const first = await timed(compile);
  await save(edited('Good morning'));
  const edit = await timed(compile);
  await save(HELLO);
  const cached = await timed(compile);
  await gateway.must('POST', `/endpoints/${id}/deploy`);
  const live = await timed(async () => {
    await save(edited('Good evening'));
    await gateway.must('POST', `/endpoints/${id}/deploy`, { compile: true });
    const text = await (await gateway.fetch(`/${id}`)).text();
    if (!text.includes('Good evening')) throw new Error(`an old answer: ${text}`);
  });
  return { 'first compile': first, 'one-line edit': edit, 'built before': cached, 'edit to live': live };
}

const { endpoints } = readNumbers({ endpoints: 7 });
await using gateway = await RunningGateway.start();
// The first build ever also compiles what all endpoints share; priming follows it.
await gateway.log(line => line.event === 'example_ready', 300_000);
const samples: Sample[] = [];
for (let index = 0; index < endpoints; index += 1) samples.push(await measure(gateway, `bench-${index}`));

const rows = Object.keys(samples[0] ?? {}).map((name): Row => {
  const values = samples.map(sample => sample[name as keyof Sample]);
  const raw = values.map(value => Math.round(value)).join(' ');
  return { ms: name, median: rounded(median(values), 0), max: rounded(percentile(values, 1), 0), raw };
});
printTable(`handlers/hello.rs, ${endpoints} new endpoints, one after the other`, rows);
writeResult('compile', { endpoints, rows });

/** The ledger against a gateway that does each thing wrong: what it does not catch here, it would not catch there. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { PUBLIC_ERRORS, type PublicErrorCode } from '../../src/errors.ts';
import { faultQuestion, witnessQuestion, type Question } from './asking.ts';
import { History, LOSS_NEWS_MS } from './history.ts';
import { Ledger } from './ledger.ts';
import type { RequestRecord } from './rules.ts';

const ENDPOINT = 'tried';
const CRASH = { op: 'null', code: 'handler_crashed', kind: 'memory' } as const;
const LATER = { op: 'null_later', code: 'handler_crashed', kind: 'memory' } as const;

let now = 0;
let history: History;
let ledger: Ledger;

beforeEach(() => {
  now = 0;
  history = new History(() => now);
  ledger = new Ledger(history, 'run');
  history.change(ENDPOINT, 'one').done();
  history.timeout(ENDPOINT, 300);
});

function send({ endpoint, operation, expected }: Question, port = 1): RequestRecord {
  const record = ledger.sent(endpoint, operation, expected);
  record.connection = { openedAt: now, localPort: port };
  return record;
}

const sendWitness = (waitMs = 0, port = 1): RequestRecord => send(witnessQuestion(ENDPOINT, waitMs), port);

function answerWith(record: RequestRecord, text: string, changed: object = {}): void {
  const { requestId } = record;
  const body = JSON.stringify({ text, request_id: requestId, recorded: true });
  ledger.answered(record, { status: 200, requestId, body, ...changed });
}

function failWith(record: RequestRecord, code: PublicErrorCode, changed: object = {}): void {
  const { status, sentence } = PUBLIC_ERRORS[code];
  const { requestId } = record;
  const body = JSON.stringify({ error: sentence, code, request_id: requestId });
  ledger.answered(record, { status, requestId, body, ...changed });
}

/** What is wrong by the time that all news has come. */
function verdicts(): string[] {
  const at = now;
  now += LOSS_NEWS_MS;
  ledger.judgeEnded();
  now = at;
  return ledger.violations.map(({ wrong }) => wrong);
}

function assertWrong(pattern: RegExp): void {
  assert.equal(verdicts().length, 1, 'one request is wrong');
  assert.match(verdicts()[0] ?? '', pattern);
}

test('an answer of the generation that serves is right', () => {
  answerWith(sendWitness(), 'one');
  assert.deepEqual(verdicts(), []);
  assert.equal(ledger.figures.answers.get(`${ENDPOINT} 200`), 1);
});

test('a second answer is wrong, also long after the first was judged', () => {
  const twice = sendWitness();
  answerWith(twice, 'one');
  answerWith(twice, 'one');
  assertWrong(/answered 2 times/);
  const late = sendWitness();
  answerWith(late, 'one');
  ledger.judgeEnded();
  answerWith(late, 'one');
  assert.equal(ledger.violationsTotal, 2);
});

test('no answer at all is wrong when the run is over', () => {
  sendWitness();
  assert.deepEqual(verdicts(), []);
  assert.equal(ledger.unanswered, 1);
  ledger.close();
  assertWrong(/never answered/);
});

test('an answer of a generation that was superseded before the request was sent is wrong', () => {
  history.change(ENDPOINT, 'two').done();
  now = 5;
  answerWith(sendWitness(), 'one');
  assertWrong(/generation one, when only two/);
});

test('an answer of a generation before its deploy began is wrong', () => {
  answerWith(sendWitness(), 'two');
  ledger.judgeEnded();
  now = 5;
  history.change(ENDPOINT, 'two').done();
  assertWrong(/generation two, when only one/);
});

test('while a deploy is under way both generations may answer, also those that were asked before it', () => {
  const before = sendWitness();
  now = 5;
  const change = history.change(ENDPOINT, 'two');
  const during = sendWitness();
  now = 6;
  answerWith(before, 'two');
  answerWith(during, 'one');
  change.done();
  assert.deepEqual(verdicts(), []);
});

test('an answer of a generation whose deploy failed in the end is wrong', () => {
  const change = history.change(ENDPOINT, 'two');
  answerWith(sendWitness(), 'two');
  assert.deepEqual(verdicts(), [], 'the verdict waits for the deploy');
  change.failed();
  assertWrong(/generation two, when only one/);
});

test('a request whose generation was superseded while it ran may still be answered by it', () => {
  const record = sendWitness();
  now = 5;
  history.change(ENDPOINT, 'two').done();
  history.change(ENDPOINT, 'three').done();
  now = 9;
  answerWith(record, 'one');
  assert.deepEqual(verdicts(), []);
});

test('not being deployed is an answer only when nothing was deployed', () => {
  failWith(sendWitness(), 'endpoint_not_loaded');
  assertWrong(/endpoint_not_loaded/);
  now = 5;
  history.change(ENDPOINT, null).done();
  now = 6;
  failWith(sendWitness(), 'endpoint_not_loaded');
  assert.equal(verdicts().length, 1);
  answerWith(sendWitness(), 'one');
  assert.match(verdicts()[1] ?? '', /only nothing could serve/);
});

test('not being loaded is an answer where an image had to be bound and there was no room for it', () => {
  history.rebinds(ENDPOINT);
  const shortage = history.shortage('disk');
  failWith(sendWitness(), 'endpoint_not_loaded');
  shortage.until = 5;
  assert.deepEqual(verdicts(), []);
  now = 6;
  failWith(sendWitness(), 'endpoint_not_loaded');
  assertWrong(/endpoint_not_loaded/);
});

test('the answer to another request is wrong, whether its header or its body says so', () => {
  answerWith(sendWitness(), 'one', { requestId: 'run-9' });
  assertWrong(/answer to request run-9/);
  answerWith(sendWitness(), 'one', { body: JSON.stringify({ text: 'one', request_id: 'run-8', recorded: true }) });
  assert.match(verdicts()[1] ?? '', /body of request run-8/);
});

test('bodies that no handler made are wrong', () => {
  for (const body of ['', 'one', '{"text":7}', '[]']) answerWith(sendWitness(), 'one', { body });
  assert.equal(verdicts().length, 4);
});

test('an echo that differs from what was sent is wrong', () => {
  const expected = { kind: 'echo', digest: 'abc' } as const;
  const record = send({ endpoint: ENDPOINT, operation: 'echo', path: '', expected });
  const body = { text: 'one', request_id: record.requestId, recorded: true, digest: 'abd' };
  answerWith(record, 'one', { body: JSON.stringify(body) });
  assertWrong(/another body/);
});

test('a fault is answered with its own code, and with no other', () => {
  failWith(send(faultQuestion(ENDPOINT, CRASH)), 'handler_crashed');
  assert.deepEqual(verdicts(), []);
  failWith(send(faultQuestion(ENDPOINT, CRASH)), 'handler_panicked');
  assertWrong(/handler_panicked/);
  answerWith(send(faultQuestion(ENDPOINT, CRASH)), 'one');
  assert.equal(verdicts().length, 2);
});

test('a status, sentence or request id that does not belong to the code is wrong', () => {
  failWith(send(faultQuestion(ENDPOINT, CRASH)), 'handler_crashed', { status: 503 });
  failWith(send(faultQuestion(ENDPOINT, CRASH)), 'handler_crashed', { body: '{"code":"handler_crashed"}' });
  failWith(send(faultQuestion(ENDPOINT, CRASH)), 'handler_crashed', { body: 'Internal Server Error' });
  assert.equal(verdicts().length, 3);
});

test('a crash costs what is suspended beside it, and nothing that runs at once', () => {
  const crash = history.fault(ENDPOINT, 'handler_crashed');
  failWith(sendWitness(20), 'handler_crashed');
  failWith(send(faultQuestion(ENDPOINT, LATER)), 'handler_crashed');
  assert.deepEqual(verdicts(), []);
  failWith(sendWitness(), 'handler_crashed');
  assertWrong(/handler_crashed/);
  crash.until = 5;
  now = 6;
  failWith(sendWitness(20), 'handler_crashed');
  assert.equal(verdicts().length, 2, 'the crash was over');
});

test('a deadline is never cut short', () => {
  const early = sendWitness();
  now = 200;
  failWith(early, 'handler_timeout');
  assertWrong(/handler_timeout/);
  const inTime = sendWitness();
  now = 500;
  failWith(inTime, 'handler_timeout');
  assert.equal(verdicts().length, 1);
});

test('a long timeout does not pass by itself', () => {
  history.change('patient', 'one').done();
  history.timeout('patient', 30_000);
  const record = send(witnessQuestion('patient'));
  now = 31_000;
  failWith(record, 'handler_timeout');
  assertWrong(/handler_timeout/);
});

test('a drain is forced only by a swap', () => {
  const record = sendWitness();
  now = 5;
  history.change(ENDPOINT, 'two').done();
  failWith(record, 'handler_drain_forced');
  assert.deepEqual(verdicts(), []);
  now = 6;
  failWith(sendWitness(), 'handler_drain_forced');
  assertWrong(/handler_drain_forced/);
});

test('a fault of the gateway itself is always wrong', () => {
  failWith(sendWitness(), 'internal_error');
  failWith(send(faultQuestion(ENDPOINT, CRASH)), 'internal_error');
  assert.equal(verdicts().length, 2);
});

test('a connection may be lost only with the process that had accepted it', () => {
  const lose = (port: number): void => ledger.lost(sendWitness(0, port), 'reset');
  lose(1);
  assertWrong(/lost its connection/);
  const inFlight = sendWitness(0, 2);
  now = 5;
  history.processEnds(new Set([2]));
  now = 6;
  ledger.lost(inFlight, 'reset');
  assert.equal(verdicts().length, 1);
  lose(2);
  assert.equal(verdicts().length, 2, 'a port that is used again later is another connection');
});

test('a process that survived was no reason to lose a connection', () => {
  const record = sendWitness(0, 2);
  history.processEnds(new Set([2])).survived();
  ledger.lost(record, 'reset');
  assertWrong(/lost its connection/);
});

test('where it is not known what a process had accepted, only what was lost with it is excused', () => {
  const [before, during, after] = [sendWitness(), sendWitness(), sendWitness()];
  ledger.lost(before, 'reset');
  now = 10_000;
  ledger.lost(during, 'reset');
  history.processHasEnded(1_000);
  now = 20_000;
  ledger.lost(after, 'reset');
  assert.equal(verdicts().length, 2);
  assert.deepEqual(
    ledger.violations.map(({ record }) => record.token),
    [before.token, after.token],
  );
});

test('a handler that opens files until it is refused one answers early while descriptors are short, and only then', () => {
  const files = { op: 'files', code: 'handler_crashed', kind: 'system_call' } as const;
  const answer = (): void => answerWith(send(faultQuestion(ENDPOINT, files)), '', { body: '13' });
  const shortage = history.shortage('descriptors');
  answer();
  assert.deepEqual(verdicts(), []);
  shortage.until = now;
  now = 5;
  answer();
  assertWrong(/has the body 13/);
});

test('an endpoint that is asked all the time may be missing for want of disk only in a process that takes over', () => {
  const shortage = history.shortage('disk');
  failWith(sendWitness(), 'endpoint_not_loaded');
  assertWrong(/endpoint_not_loaded/);
  const start = history.shortage('start');
  failWith(sendWitness(), 'endpoint_not_loaded');
  start.until = now;
  now = 500;
  failWith(sendWitness(), 'endpoint_not_loaded');
  now = 1_000;
  history.rebinds(ENDPOINT);
  failWith(sendWitness(), 'endpoint_not_loaded');
  history.isMended(shortage);
  now = shortage.until;
  failWith(sendWitness(), 'endpoint_not_loaded');
  assert.equal(verdicts().length, 1, 'pauses between attempts last as long again as the shortage did');
  now += 1;
  failWith(sendWitness(), 'endpoint_not_loaded');
  assert.equal(verdicts().length, 2, 'it has to be back by then');
});

test('a client that left gets nothing, and that is right', () => {
  sendWitness().abandoned = true;
  assert.deepEqual(verdicts(), []);
  assert.equal(ledger.figures.abandoned, 1);
});

test('handlers run once for an answer, never for a refusal, and never twice', () => {
  history.change(ENDPOINT, null).done();
  failWith(sendWitness(), 'endpoint_not_loaded');
  history.change(ENDPOINT, 'one').done();
  now = 1;
  answerWith(sendWitness(), 'one');
  ledger.lost(sendWitness(), 'reset');
  ledger.judgeEnded();
  assert.deepEqual(ledger.checkExecutions(['run-1']), []);
  assert.deepEqual(ledger.checkExecutions(['run-1', 'run-2']), []);
  assert.match(ledger.checkExecutions([]).join(), /no handler ran for run-1/);
  assert.match(ledger.checkExecutions(['run-1', 'run-1']).join(), /twice for run-1/);
  assert.match(ledger.checkExecutions(['run-1', 'run-2', 'run-2']).join(), /twice for run-2/);
  assert.match(ledger.checkExecutions(['run-1', 'run-0']).join(), /run-0, which was refused/);
  assert.match(ledger.checkExecutions(['run-1', 'other-0']).join(), /nobody sent/);
});

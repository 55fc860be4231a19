/** Everything that can happen in a run, as steps that fast-check strings together, prints and leaves out. */
import fc from 'fast-check';
import { ENDPOINTS, type World } from './world.ts';

/** The model is kept in the world. */
type Step = fc.AsyncCommand<object, World>;

const stepOf = (text: string, run: (world: World) => Promise<void>): Step => ({
  check: () => true,
  run: async (_model, world) => {
    await run(world);
    if (world.violations.length > 0) throw new Error(world.violations.join('\n'));
  },
  toString: () => text,
});

const simple = (text: string, action: (world: World) => void): Step =>
  stepOf(text, async world => world.step(() => action(world)));

const endpoint = fc.constantFrom(...ENDPOINTS);
const choice = fc.nat({ max: 11 });

const onEndpoint = (text: string, action: (world: World, id: string) => void): fc.Arbitrary<Step> =>
  endpoint.map(id => simple(`${text} ${id}`, world => action(world, id)));

const chosen = (text: string, action: (world: World, choice: number) => void): fc.Arbitrary<Step> =>
  choice.map(index => simple(`${text} ${index}`, world => action(world, index)));

const create = onEndpoint('create', (world, id) => world.create(id));
const compile = onEndpoint('compile', (world, id) => world.compile(id));
const deploy = onEndpoint('deploy', (world, id) => world.deploy(id));
const rollback = onEndpoint('roll back', (world, id) => world.rollback(id));
const undeploy = onEndpoint('undeploy', (world, id) => world.undeploy(id));
const remove = onEndpoint('delete', (world, id) => world.remove(id));
const save = fc
  .tuple(endpoint, fc.constantFrom('good', 'good', 'bad', 'half', 'limit'))
  .map(([id, what]) => simple(`save ${what} ${id}`, world => world.save(id, what)));
const ask = fc
  .tuple(endpoint, choice)
  .map(([id, process]) => simple(`ask ${id} of process ${process}`, world => world.ask(id, process)));
const answer = fc
  .tuple(choice, fc.boolean())
  .map(([index, panics]) =>
    simple(`${panics ? 'panic in' : 'answer'} request ${index}`, world => world.answer(index, panics)),
  );
const openGate = chosen('finish work', (world, index) => world.openGate(index));
const deliver = chosen('deliver from channel', (world, index) => world.deliver(index));
const kill = chosen('kill process', (world, index) => world.kill(index));
const poll = fc.constant(simple('poll', world => void world.fleet.figures()));
const deliverAll = fc.constant(stepOf('deliver everything', async world => world.deliverAll()));
/** The longest is longer than any timeout of the run. */
const advance = fc
  .tuple(choice, fc.constantFrom(100, 20_000, 31_000))
  .map(([process, ms]) => stepOf(`${ms} ms pass in process ${process}`, async world => world.advance(process, ms)));
/** What a user mostly does, so that runs get somewhere: everything up to the deploy's own way to the processes. */
const redeploy = fc.tuple(endpoint, fc.constantFrom('good', 'good', 'half')).map(([id, what]) =>
  stepOf(`create, compile and deploy ${what} ${id}`, async world => {
    if (!world.model(id).exists) await world.step(() => world.create(id));
    await world.step(() => world.save(id, what));
    await world.deliverAll();
    await world.step(() => world.compile(id));
    await world.step(() => world.openGate(world.gates.findIndex(gate => gate.endpoint === id)));
    await world.step(() => world.deploy(id));
  }),
);

const WEIGHTED: readonly (readonly [weight: number, step: fc.Arbitrary<Step>])[] = [
  [2, create],
  [2, save],
  [2, compile],
  [4, redeploy],
  [4, deploy],
  [3, rollback],
  [2, undeploy],
  [2, remove],
  [8, ask],
  [4, answer],
  [8, openGate],
  [12, deliver],
  [3, deliverAll],
  [1, kill],
  [1, poll],
  [2, advance],
];

/** Runs of up to so many steps. */
export const steps = (maxSteps: number): fc.Arbitrary<Iterable<Step>> =>
  fc.commands(
    WEIGHTED.flatMap(([weight, step]) => Array.from({ length: weight }, () => step)),
    { maxCommands: maxSteps, size: 'max' },
  );

import { FakePool } from '../support/fake-pool.ts';
import { RecordedEvents } from '../support/pool-events.ts';
import { conformance } from './conformance.ts';
import { fakeKit } from './fake-kit.ts';

conformance('fake pool', (limits, handler) => {
  const events = new RecordedEvents();
  const spec = { endpoint: 'kit', generation: 1, artifactPath: '', ahead: false, limits, events };
  const behaviour = handler === 'kit' ? fakeKit : { code: 'copy_failed', message: 'There is no such file.' };
  return Promise.resolve({ pool: new FakePool(spec, behaviour), events });
});

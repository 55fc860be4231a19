/**
 * How many gateway processes there are, as a pure decision: which to start, which to let serve, which to let go. Effects
 * are in `fleet.ts`, which asks again after everything that happens to a process.
 *
 *     starting ──ready──► spare ──promoted──► serving ──relieved──► draining ──► ended
 *         └─────────────────┴─────────────────────┴──died, killed──► lost ───────►┘
 *
 * With no spares wanted, a process is one for no longer than it takes to ask for the next plan. One that is lost has died
 * or is about to: others take over at once, but what it died of is known only when it has ended, so that no other is
 * started before.
 */
export type MemberState = 'starting' | 'spare' | 'serving' | 'draining' | 'lost';

/** A gateway process, as far as its place matters. */
export interface Placed {
  readonly state: MemberState;
  /** It serves, and has said that it accepts connections. */
  readonly accepting: boolean;
  /** Another process is to take its place. */
  readonly leaving: boolean;
}

export interface FleetSize {
  /** Processes that serve. */
  readonly processes: number;
  /** Processes that are ready to, beside them. */
  readonly spares: number;
}

export interface FleetPlan<M> {
  /** Spares that serve from now on. */
  readonly promote: readonly M[];
  /** Processes that are not wanted any more: serving ones whose place is taken, spares that asked to be replaced. */
  readonly relieve: readonly M[];
  /** Number of processes to start. */
  readonly start: number;
}

/**
 * Most processes that drain while another one is relieved: each keeps its memory until its clients have gone. Past it,
 * processes that should leave go on serving, however often handlers cause faults for which they should.
 */
export const DRAINING_MAX = 4;

/** `startsPending`: processes that will be started after a pause. */
export function planFleet<M extends Placed>(
  members: readonly M[],
  { processes, spares }: FleetSize,
  startsPending: number,
): FleetPlan<M> {
  const inState = (state: MemberState): M[] => members.filter(member => member.state === state);
  const serving = inState('serving');
  const leaving = serving.filter(member => member.leaving);
  const mayLeave = leaving.slice(0, Math.max(0, DRAINING_MAX - inState('draining').length));
  const staying = serving.filter(member => !mayLeave.includes(member));
  const ready = inState('spare').filter(member => !member.leaving);
  const promote = ready.slice(0, Math.max(0, processes - staying.length));
  const accepting = staying.filter(member => member.accepting).length;
  const relieve = mayLeave.slice(0, Math.max(0, accepting + mayLeave.length - processes));
  const refused = inState('spare').filter(member => member.leaving);

  const onTheWay = inState('starting').length + inState('lost').length + startsPending;
  const placesLeft = processes - staying.length - promote.length;
  // A spare is started when every place is filled: its start takes time from those that have to serve.
  const sparesLeft = accepting >= processes ? spares - ready.length : 0;
  const missing = placesLeft > 0 ? placesLeft : sparesLeft;
  return { promote, relieve: [...relieve, ...refused], start: Math.max(0, missing - onTheWay) };
}

/** For each event, the states it may come in and the state that follows; what is not listed is illegal. */
export type TransitionTable<State extends string, Event extends string> = Readonly<
  Record<Event, Readonly<Partial<Record<State, State>>>>
>;

/** An event came in a state that does not know it: a mistake of the control plane, never of a user. */
export class IllegalTransition extends Error {
  override readonly name = 'IllegalTransition';
}

/**
 * The state after `event`.
 * @throws IllegalTransition when the table has no such row.
 */
export function follow<State extends string, Event extends string>(
  table: TransitionTable<State, Event>,
  state: State,
  event: Event,
): State {
  const row: Readonly<Partial<Record<State, State>>> = table[event];
  const next = row[state];
  if (next === undefined) throw new IllegalTransition(`"${event}" cannot happen in state "${state}"`);
  return next;
}

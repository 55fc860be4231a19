//! The thread that ends calls past their limit.
//!
//! A call's time counts from when this thread first saw it run: so no call has to read a clock, none is ended early, and
//! one is ended at most a pause of this thread late. (The coarse clock would be cheap to read, but on a busy virtual
//! machine it was seen to be three of its steps, 12 ms, behind.)

use std::thread;
use std::time::{Duration, Instant};

use crate::signals::{block_all_signals, interrupt_signal};
use crate::slot::{used_slots, Slot, SLOTS_MAX};

/// Between two looks while a call runs, and while none does.
const BUSY_PAUSE: Duration = Duration::from_millis(1);
const IDLE_PAUSE: Duration = Duration::from_millis(4);

const STACK_BYTES: usize = 64 << 10;

/// Starts the thread, once per process. `None`: the system refuses it.
pub fn start() -> Option<()> {
    let thread = thread::Builder::new()
        .name("guard-watchdog".into())
        .stack_size(STACK_BYTES)
        .spawn(watch);
    thread.is_ok().then_some(())
}

fn watch() {
    block_all_signals();
    let mut sightings = [None; SLOTS_MAX];
    loop {
        let now = Instant::now();
        let mut any_runs = false;
        for (slot, sighting) in used_slots().iter().zip(&mut sightings) {
            any_runs |= look_at(slot, sighting, now);
        }
        thread::sleep(if any_runs { BUSY_PAUSE } else { IDLE_PAUSE });
    }
}

/// A call, and when it was first seen.
type Sighting = (u64, Instant);

/// Interrupts the slot's call if it is late or somebody wants it to end. Again at every look until it has left, for an
/// interrupt may have come at a moment when the call could not be left. Whether a call runs.
fn look_at(slot: &Slot, sighting: &mut Option<Sighting>, now: Instant) -> bool {
    let Some(running) = slot.running() else { return false };
    let since = match *sighting {
        Some((call, since)) if call == running.call => since,
        // Not `now`: this thread may have had no processor since then, and the call have begun only just.
        _ => Instant::now(),
    };
    *sighting = Some((running.call, since));
    if running.limit.is_some_and(|limit| now.duration_since(since) > limit) || slot.is_wanted(running.call) {
        slot.interrupt(running.call, interrupt_signal());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_as_old_as_it_is_however_long_the_watchdog_was_held_up_before_it_looked() {
        // No thread is assigned to it, so an interrupt is a mark and nothing else.
        let slot = Slot::new();
        let mut sighting = None;
        let before = Instant::now();
        let minute = Duration::from_secs(60);
        slot.begin_call(10_000);
        let call = slot.running().map_or(0, |running| running.call);
        assert!(look_at(
            &slot,
            &mut sighting,
            before.checked_sub(minute).unwrap_or(before)
        ));
        assert!(look_at(&slot, &mut sighting, Instant::now()));
        assert!(!slot.is_wanted(call));
        assert!(look_at(&slot, &mut sighting, Instant::now() + minute));
        assert!(slot.is_wanted(call));
    }
}

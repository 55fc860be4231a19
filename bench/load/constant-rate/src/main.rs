//! A load generator that sends at a constant rate and measures each request from the moment it *should* have been sent.
//!
//! Every connection has a thread and a schedule of its own. A slow answer makes the next requests of its connection
//! late, and that lateness is part of their latency: so a stall is seen by all requests that would have met it, not by
//! one alone ("coordinated omission"). With rate 0 each connection asks again as soon as it is answered, as wrk does.
//!
//! Threads that block cost little processor time, and a timer slack of a nanosecond wakes them when they asked for.

mod arguments;
mod connection;
mod report;

use arguments::Arguments;
use connection::Connection;
use report::Tally;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

extern "C" {
    fn prctl(option: i32, value: u64, third: u64, fourth: u64, fifth: u64) -> i32;
}
const PR_SET_TIMERSLACK: i32 = 29;
const STACK_BYTES: usize = 128 * 1024;

/// When a connection's requests are due.
struct Schedule {
    start: Instant,
    first: Duration,
    /// Zero: at once.
    every: Duration,
}

impl Schedule {
    /// The connections take turns, evenly spread.
    fn new(start: Instant, arguments: &Arguments, connection: u32) -> Self {
        if arguments.rate == 0.0 {
            return Self {
                start,
                first: Duration::ZERO,
                every: Duration::ZERO,
            };
        }
        let gap = Duration::from_secs_f64(1.0 / arguments.rate);
        Self {
            start,
            first: gap * connection,
            every: gap * arguments.connections,
        }
    }

    /// Waits until request number `index` is due, and tells when that was.
    fn wait(&self, index: u32) -> Instant {
        if self.every.is_zero() {
            thread::sleep(self.start.saturating_duration_since(Instant::now()));
            return Instant::now();
        }
        let due = self.start + self.first + self.every * index;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        due
    }
}

fn drive(arguments: &Arguments, number: u32, start: Instant) -> Tally {
    // SAFETY: changes the timer slack of the calling thread and touches no memory.
    unsafe { prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0) };
    let schedule = Schedule::new(start, arguments, number);
    let measured_from = start + arguments.warm_up;
    let end = measured_from + arguments.duration;
    let mut tally = Tally::default();
    let mut connection = Connection::new(arguments);
    for index in 0.. {
        let due = schedule.wait(index);
        if due >= end {
            break;
        }
        if Instant::now() >= end + arguments.patience {
            // What was due and could not even be sent by now is no good answer, and must not be left out.
            if !schedule.every.is_zero() {
                tally.add(None, due.elapsed(), due.elapsed());
            }
            continue;
        }
        let sent = Instant::now();
        let status = connection.ask(arguments.target(number + index * arguments.connections));
        if due >= measured_from {
            tally.add(status, due.elapsed(), sent - due);
        }
    }
    tally
}

fn main() {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => Arc::new(arguments),
        Err(message) => {
            eprintln!("constant-rate: {message}\n{}", arguments::USAGE);
            std::process::exit(2);
        }
    };
    let start = Instant::now() + Duration::from_millis(20);
    let threads: Vec<_> = (0..arguments.connections)
        .map(|number| {
            let arguments = Arc::clone(&arguments);
            thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn(move || drive(&arguments, number, start))
                .expect("a thread can be started")
        })
        .collect();
    let mut total = Tally::default();
    for thread in threads {
        total.merge(thread.join().expect("no connection panics"));
    }
    println!("{}", total.json(arguments.duration));
}

//! What was measured, and its summary as one line of JSON.

use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Default)]
pub struct Tally {
    /// Microseconds from the moment a request was due to its whole answer.
    latencies: Vec<f64>,
    /// Microseconds from the moment a request was due to when it was sent.
    delays: Vec<f64>,
    /// Answers by status; 0: none came.
    statuses: BTreeMap<u16, u64>,
}

impl Tally {
    pub fn add(&mut self, status: Option<u16>, latency: Duration, delay: Duration) {
        *self.statuses.entry(status.unwrap_or(0)).or_default() += 1;
        self.latencies.push(latency.as_secs_f64() * 1e6);
        self.delays.push(delay.as_secs_f64() * 1e6);
    }

    pub fn merge(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.delays.extend(other.delays);
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
    }

    pub fn json(mut self, duration: Duration) -> String {
        self.latencies.sort_by(f64::total_cmp);
        self.delays.sort_by(f64::total_cmp);
        let statuses: Vec<String> = self
            .statuses
            .iter()
            .map(|(status, count)| format!("\"{status}\":{count}"))
            .collect();
        let at = |share: f64| percentile(&self.latencies, share);
        format!(
            "{{\"requests\":{},\"seconds\":{},\"p50Us\":{:.1},\"p90Us\":{:.1},\"p99Us\":{:.1},\"p999Us\":{:.1},\"maxUs\":{:.1},\"sentLateP50Us\":{:.1},\"sentLateP99Us\":{:.1},\"statuses\":{{{}}}}}",
            self.latencies.len(),
            duration.as_secs_f64(),
            at(0.5),
            at(0.9),
            at(0.99),
            at(0.999),
            at(1.0),
            percentile(&self.delays, 0.5),
            percentile(&self.delays, 0.99),
            statuses.join(",")
        )
    }
}

/// The value below which `share` of the sorted values lie; 0 of none.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share) as usize;
    sorted
        .get(index.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0.0)
}

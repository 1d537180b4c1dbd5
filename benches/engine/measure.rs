//! Time, processor time and memory of this process.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use super::report::Row;

/// How long single things took, and everything together.
#[derive(Debug)]
pub(crate) struct Sample {
    latencies: Vec<Duration>,
    elapsed: Duration,
    cpu: Duration,
}

/// Begun before the first, ended behind the last.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    began: Instant,
    cpu: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { began: Instant::now(), cpu: cpu_time() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Processor time of all threads since then.
    pub(crate) fn cpu(&self) -> Duration {
        cpu_time().saturating_sub(self.cpu)
    }

    pub(crate) fn stop(self, mut latencies: Vec<Duration>) -> Sample {
        let (elapsed, cpu) = (self.began.elapsed(), self.cpu());
        latencies.sort_unstable();
        Sample { latencies, elapsed, cpu }
    }
}

impl Sample {
    pub(crate) fn count(&self) -> f64 {
        count(self.latencies.len())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.elapsed
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.count() / self.elapsed.as_secs_f64()
    }

    /// The latency that this share of all does not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get(last * percent / 100).map_or(0.0, |latency| millis(*latency))
    }

    pub(crate) fn row(&self, case: impl Into<String>) -> Row {
        Row::new(case)
            .with("per_s", self.per_second())
            .with("p50_ms", self.percentile(50))
            .with("p99_ms", self.percentile(99))
            .with("max_ms", self.percentile(100))
            .with("cpu_ms_each", millis(self.cpu) / self.count().max(1.0))
    }
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "no count here is near 2^52")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}

/// Processor time of all threads since the process began.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Resident memory in MB; zero where the system does not tell.
pub(crate) fn resident_mb() -> f64 {
    status_mb("VmRSS:")
}

/// The most it has been since the process began.
pub(crate) fn resident_max_mb() -> f64 {
    status_mb("VmHWM:")
}

fn status_mb(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kib.map_or(0.0, |kib| kib / 1024.0)
}

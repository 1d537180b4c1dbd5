//! What the process uses, under the names every client library gives it. Linux tells it in `/proc`;
//! elsewhere these figures are left out.

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// Clock ticks of a second, which Linux has fixed for all programs.
const TICKS: f64 = 100.0;

/// Adds what can be found out.
pub(super) fn add(registry: &mut Registry) {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).ok();
    if let Some(status) = read("status") {
        let bytes = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse::<i64>().ok().map(|kilobytes| kilobytes * 1024)
        };
        let sizes = [
            ("process_resident_memory_bytes", "Resident memory", bytes("VmRSS:")),
            ("process_virtual_memory_bytes", "Virtual memory", bytes("VmSize:")),
        ];
        for (name, about, size) in sizes {
            if let Some(size) = size {
                registry.register(name, about, ConstGauge::new(size));
            }
        }
    }
    if let Some(seconds) = read("stat").and_then(|stat| cpu_seconds(&stat)) {
        let about = "User and system time";
        registry.register("process_cpu_seconds", about, ConstCounter::new(seconds));
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        let open = i64::try_from(open.count()).unwrap_or(i64::MAX);
        registry.register("process_open_fds", "Open file descriptors", ConstGauge::new(open));
    }
}

/// User and system time; the name before them may hold anything in its brackets.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut ticks = rest.split_whitespace().skip(11).map(str::parse::<u32>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some((f64::from(user) + f64::from(system)) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::cpu_seconds;

    #[test]
    fn a_name_with_brackets_hides_no_time() {
        let stat = "7 (a) b) S 1 1 1 0 -1 4 0 0 0 0 150 50 0 0 20 0";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("7 (a"), None);
    }
}

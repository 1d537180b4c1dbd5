//! The machine under the gateway, as its own system tells it.

use std::path::Path;

use serde_json::{Value, json};

use super::params::{Nothing, read};
use super::{Call, ErrorBody, Method, Scope};

/// The methods of this family.
pub(super) const METHODS: &[Method] = &[Method {
    name: "system.info",
    scope: Scope::Read,
    about: "the machine of the gateway: its system, load, memory and disk",
    run: |call| {
        Box::pin(async move {
            // Disks may have gone away: never on a thread that serves others.
            tokio::task::spawn_blocking(move || info(&call)).await.map_err(ErrorBody::internal)?
        })
    },
}];

/// Nothing here runs on Node.js, and the protocol wants a text.
const NO_NODE: &str = "none";

fn info(call: &Call) -> Result<Value, ErrorBody> {
    read::<Nothing>("system.info", call.params.clone())?;
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (memory, processors) = (file("/proc/meminfo"), file("/proc/cpuinfo"));
    let (Some(total), Some(free)) = (bytes(&memory, "MemTotal:"), bytes(&memory, "MemAvailable:"))
    else {
        return Err(ErrorBody::unavailable("this system tells its memory in no way known here"));
    };
    let system = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let (host, release) = (text(system.nodename()), text(system.release()));
    let label = pretty_name(&file("/etc/os-release"));
    let mut info = json!({
        "machineName": host,
        "hostname": host,
        "platform": platform(std::env::consts::OS),
        "arch": arch(std::env::consts::ARCH),
        "osLabel": label.unwrap_or_else(|| format!("{} {release}", text(system.sysname()))),
        "release": release,
        "nodeVersion": NO_NODE,
        "pid": std::process::id(),
        "uptimeMs": u64::try_from(call.engine.uptime().as_millis()).unwrap_or(u64::MAX),
        "cpuCount": processors.lines().filter(|line| line.starts_with("processor")).count(),
        "memoryTotalBytes": total,
        "memoryFreeBytes": free,
    });
    let boot = file("/proc/sys/kernel/random/boot_id");
    let disk = call.host.state_dir.as_deref().and_then(disk);
    for (key, value) in [
        ("cpuModel", model(&processors).map(Value::from)),
        ("loadAverage", load(&file("/proc/loadavg")).map(Value::from)),
        ("processInstanceId", instance(&boot, &file("/proc/self/stat")).map(Value::from)),
        ("port", call.host.gateway.get().map(|address| address.port().into())),
        ("diskTotalBytes", disk.map(|(total, _)| total.into())),
        ("diskAvailableBytes", disk.map(|(_, available)| available.into())),
        ("diskPath", disk.and(call.host.state_dir.as_ref()).map(|path| json!(path))),
    ] {
        if let Some(value) = value {
            info[key] = value;
        }
    }
    Ok(info)
}

/// The system's name as clients know it.
fn platform(name: &str) -> &str {
    if name == "macos" { "darwin" } else { name }
}

/// The processor's name as clients know it.
fn arch(name: &str) -> &str {
    match name {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        "x86" => "ia32",
        other => other,
    }
}

/// A figure of `/proc/meminfo`, in bytes.
fn bytes(memory: &str, key: &str) -> Option<u64> {
    let line = memory.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// What the first processor is called.
fn model(processors: &str) -> Option<String> {
    let line = processors.lines().find_map(|line| line.strip_prefix("model name"))?;
    let name = line.trim_start().strip_prefix(':')?.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// The load of the last minute, five and fifteen.
fn load(text: &str) -> Option<Vec<f64>> {
    let figures: Vec<f64> =
        text.split_whitespace().take(3).filter_map(|figure| figure.parse().ok()).collect();
    (figures.len() == 3).then_some(figures)
}

/// What no other process has, also under the same number: this start of the machine, and when the
/// process began in it.
fn instance(boot: &str, stat: &str) -> Option<String> {
    let boot = boot.trim();
    // The name before them may hold anything in its brackets.
    let began = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?;
    (!boot.is_empty()).then(|| format!("{boot}-{}-{began}", std::process::id()))
}

/// What a system calls itself.
fn pretty_name(release: &str) -> Option<String> {
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    let name = name.trim().trim_matches('"');
    (!name.is_empty()).then(|| name.to_owned())
}

/// All bytes of the disk of a folder, and those that are left.
fn disk(path: &Path) -> Option<(u64, u64)> {
    let figures = rustix::fs::statvfs(path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(figures.f_frsize);
    Some((bytes(figures.f_blocks), bytes(figures.f_bavail)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_tells_is_read() {
        let memory = "MemTotal:       16318480 kB\nMemFree:  1 kB\nMemAvailable:    8000 kB\n";
        assert_eq!(bytes(memory, "MemTotal:"), Some(16_318_480 * 1024));
        assert_eq!(bytes(memory, "MemAvailable:"), Some(8_192_000));
        assert_eq!(bytes("", "MemTotal:"), None);
        assert_eq!(model("processor\t: 0\nmodel name\t: A  B @ 1\n").as_deref(), Some("A  B @ 1"));
        assert_eq!(load("0.50 1.25 2.00 1/200 77"), Some(vec![0.5, 1.25, 2.0]));
        assert_eq!(load("0.50 1.25"), None);
        assert_eq!(
            pretty_name("ID=x\nPRETTY_NAME=\"A System 1\"\n").as_deref(),
            Some("A System 1")
        );
        let stat = "7 (a) b) S 1 1 1 0 -1 4 0 0 0 0 150 50 0 0 20 0 1 0 4711 9";
        let own = format!("b-{}-4711", std::process::id());
        assert_eq!(instance("b\n", stat), Some(own));
        assert_eq!(instance("", stat), None);
        assert_eq!((platform("macos"), platform("linux")), ("darwin", "linux"));
        assert_eq!((arch("x86_64"), arch("aarch64"), arch("riscv64")), ("x64", "arm64", "riscv64"));
    }
}

//! On what machine the figures were measured, and with which versions.

use std::process::Command;

use benches::processors;

/// The names and values at the head of a report.
pub(crate) fn facts(rounds: usize, workers: usize) -> Vec<(String, String)> {
    let fact = |name: &str, value: String| (name.to_owned(), value);
    vec![
        fact("processor", processor()),
        fact("cores", processors::report()),
        fact("kernel", answer("uname", &["-sr"])),
        fact("compiler", answer("rustc", &["--version"])),
        fact("heist", revision()),
        fact("tokio", version("tokio")),
        fact("smol", version("smol")),
        fact("workers", workers.to_string()),
        fact("rounds", rounds.to_string()),
    ]
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "model name").then(|| value.trim().to_owned())
    });
    let model = model.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let number = std::thread::available_parallelism().map_or(0, |number| number.get());
    format!("{model}, {number} processors")
}

/// The commit, and whether the files differ from it.
fn revision() -> String {
    let folder = env!("CARGO_MANIFEST_DIR");
    let commit = answer("git", &["-C", folder, "rev-parse", "--short", "HEAD"]);
    let changed = answer("git", &["-C", folder, "status", "--porcelain", "-uno"]);
    let version = env!("CARGO_PKG_VERSION");
    match (commit.as_str(), changed.as_str()) {
        ("", _) => version.to_owned(),
        (commit, "") => format!("{version}, commit {commit}"),
        (commit, _) => format!("{version}, commit {commit} with changes"),
    }
}

/// The version of a package in the lock file.
fn version(package: &str) -> String {
    let lock = include_str!("../../Cargo.lock");
    let entry = format!("name = \"{package}\"\nversion = \"");
    let rest = lock.split_once(&entry).map(|(_, rest)| rest);
    rest.and_then(|rest| rest.split('"').next())
        .unwrap_or("?")
        .to_owned()
}

/// The first line that a command prints. Empty if the command fails.
fn answer(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_versions_of_the_peers_are_those_of_the_lock_file() {
        for peer in ["tokio", "smol"] {
            assert!(super::version(peer).starts_with(|first: char| first.is_ascii_digit()));
        }
    }
}

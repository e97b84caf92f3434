//! The parent: children in turn, medians, the table.

use std::process::{Command, Stdio};

use benches::measure::{figure, line, percentile};

use crate::Options;
use crate::shapes::Shape;

/// Runs all that the options ask for and prints a line for each row as soon as it is known.
pub(crate) fn print(options: &Options) {
    let peers: Vec<&String> = options
        .runtimes
        .iter()
        .filter(|name| *name != "heist")
        .collect();
    let with_ratios = peers.len() < options.runtimes.len();
    let mut head = vec!["shape".to_owned(), "unit".to_owned()];
    head.extend(options.runtimes.iter().cloned());
    if with_ratios {
        head.extend(peers.iter().map(|peer| format!("heist / {peer}")));
    }
    line(&head);
    line(&vec!["---".to_owned(); head.len()]);
    for shape in &options.shapes {
        let medians = medians(options, shape);
        for (row, (what, unit)) in shape.rows.iter().enumerate() {
            let value = |runtime: &str| {
                let at = options.runtimes.iter().position(|name| name == runtime);
                medians[at.expect("a runtime that ran")][row]
            };
            let mut cells = vec![(*what).to_owned(), (*unit).to_owned()];
            cells.extend(options.runtimes.iter().map(|name| figure(value(name))));
            if with_ratios {
                let ratio = |peer: &&String| format!("{:.2}", value("heist") / value(peer));
                cells.extend(peers.iter().map(ratio));
            }
            line(&cells);
        }
    }
}

/// For each runtime the median of each row of `shape`.
fn medians(options: &Options, shape: &Shape) -> Vec<Vec<f64>> {
    let mut rounds = vec![vec![Vec::new(); shape.rows.len()]; options.runtimes.len()];
    for _ in 0..options.rounds {
        for (runtime, rows) in options.runtimes.iter().zip(&mut rounds) {
            for (row, value) in rows.iter_mut().zip(child(runtime, shape, options.workers)) {
                row.push(value);
            }
        }
    }
    rounds
        .iter_mut()
        .map(|rows| rows.iter_mut().map(|row| percentile(row, 50)).collect())
        .collect()
}

/// One shape on one runtime, in a process of its own.
fn child(runtime: &str, shape: &Shape, workers: usize) -> Vec<f64> {
    let workers = workers.to_string();
    let output = Command::new(std::env::current_exe().expect("the path of this program"))
        .args(["--child", runtime, shape.name, &workers])
        .env("SMOL_THREADS", &workers)
        .stderr(Stdio::inherit())
        .output()
        .expect("this program can be started again");
    let text = String::from_utf8_lossy(&output.stdout);
    let values: Vec<f64> = text.lines().filter_map(|line| line.parse().ok()).collect();
    if !output.status.success() || values.len() != shape.rows.len() {
        eprintln!("{} on {runtime}: {}", shape.name, output.status);
        return vec![f64::NAN; shape.rows.len()];
    }
    values
}

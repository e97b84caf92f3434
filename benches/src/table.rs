//! The parent: children in turn, medians, the table.

use std::process::{Command, Stdio};

use benches::measure::{figure, line, percentile};

use crate::shapes::Shape;
use crate::{ONE_WORKER, Options};

/// Runs all that the options ask for and prints a line for each row as soon as it is known.
pub(crate) fn print(options: &Options) {
    let columns = columns(options);
    let mut head = vec!["shape".to_owned(), "unit".to_owned()];
    head.extend(columns.iter().map(|column| match column {
        Column::Figure(ONE_WORKER) => "heist 1 worker".to_owned(),
        Column::Figure(runtime) => (*runtime).to_owned(),
        Column::Ratio("heist", ONE_WORKER) => format!("{} / 1", options.workers),
        Column::Ratio(ours, theirs) => format!("{ours} / {theirs}"),
    }));
    line(&head);
    line(&vec!["---".to_owned(); head.len()]);
    for shape in &options.shapes {
        let medians = medians(options, shape);
        for (row, (what, unit)) in shape.rows.iter().enumerate() {
            let value = |runtime: &str| {
                let at = options.runtimes.iter().position(|name| *name == runtime);
                medians[at.expect("a runtime that ran")][row]
            };
            let mut cells = vec![(*what).to_owned(), (*unit).to_owned()];
            cells.extend(columns.iter().map(|column| match column {
                Column::Figure(runtime) => figure(value(runtime)),
                Column::Ratio(ours, theirs) => format!("{:.2}", value(ours) / value(theirs)),
            }));
            line(&cells);
        }
    }
}

/// What a column of the table holds.
enum Column {
    /// A runtime's figure.
    Figure(&'static str),
    /// The first runtime's figure over the second's.
    Ratio(&'static str, &'static str),
}

/// Each runtime, heist's ratio to itself with one worker beside it, and its ratios to the others at the end.
fn columns(options: &Options) -> Vec<Column> {
    let runtimes = &options.runtimes;
    let mut columns: Vec<_> = runtimes.iter().copied().map(Column::Figure).collect();
    if runtimes.contains(&"heist") {
        let peers = runtimes.iter().filter(|name| !name.starts_with("heist"));
        columns.extend(peers.map(|peer| Column::Ratio("heist", peer)));
        if runtimes.contains(&ONE_WORKER) {
            columns.insert(2, Column::Ratio("heist", ONE_WORKER));
        }
    }
    columns
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
    let (runtime, workers) = match runtime {
        ONE_WORKER => ("heist", 1),
        _ => (runtime, workers),
    };
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
        eprintln!(
            "{} on {runtime}, {workers} workers: {}",
            shape.name, output.status
        );
        return vec![f64::NAN; shape.rows.len()];
    }
    values
}

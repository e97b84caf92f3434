//! The parent: runs each (shape, runtime) in its own process, one runtime after the other.

use std::cell::Cell;
use std::process::{Command, Stdio};

use crate::figures::{ONE_WORKER, Row};
use crate::shapes::Shape;

/// What to run, and how often.
pub(crate) struct Plan {
    pub(crate) shapes: Vec<&'static Shape>,
    pub(crate) runtimes: Vec<&'static str>,
    pub(crate) rounds: usize,
    pub(crate) workers: usize,
    /// Whether a shape failed on a runtime. Its figures are missing then.
    pub(crate) failed: Cell<bool>,
}

impl Plan {
    /// The rows of one shape, with all rounds of all runtimes.
    pub(crate) fn rows(&self, shape: &Shape) -> Vec<Row> {
        let mut rows: Vec<Row> = shape
            .rows
            .iter()
            .map(|(what, unit)| Row::new(shape.name, what, unit, &self.runtimes))
            .collect();
        for _ in 0..self.rounds {
            for (i, runtime) in self.runtimes.iter().enumerate() {
                let values = self.child(runtime, shape);
                for (row, value) in rows.iter_mut().zip(values) {
                    row.columns[i].rounds.push(value);
                }
            }
        }
        rows
    }

    /// Runs one shape on one runtime, in its own process.
    fn child(&self, runtime: &str, shape: &Shape) -> Vec<f64> {
        let (runtime, workers) = match runtime {
            ONE_WORKER => ("heist", 1),
            _ => (runtime, self.workers),
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
        if output.status.success() && values.is_empty() {
            return vec![f64::NAN; shape.rows.len()];
        }
        if !output.status.success() || values.len() != shape.rows.len() {
            eprintln!(
                "{} on {runtime}, {workers} workers: {}",
                shape.name, output.status
            );
            self.failed.set(true);
            return vec![f64::NAN; shape.rows.len()];
        }
        values
    }
}

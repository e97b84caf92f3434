//! heist's `sync` beside other crates': `cargo run --release -p benches --bin sync -- --help`.
//!
//! The parent runs each (row, crate) in its own process, one crate after the other, for several rounds. It prints the
//! results of the rounds as a table, with heist's ratios. The child is this same program with `--child`.

mod libs;
mod rows;

use std::process::{Command, ExitCode, Stdio};

use benches::measure::{figure, line, percentile, process_cpu};

use rows::{Kind, ROWS, Row};

const HELP: &str = "\
Runs heist's sync beside other crates' and prints the medians.

    cargo run --release -p benches --bin sync -- [OPTIONS]

    --rows A,B        only these (all; see --list)
    --crates A,B      of heist,tokio,smol,flume,kanal,futures,crossbeam (all)
    --rounds N        each crate in turn, so often (5)
    --least           the least of the rounds instead of their median
    --cpu             CPU time of all threads instead of the time that passes: other load on the machine hardly
                      changes it, and who waits by spinning pays for it
    --instructions    the rows of a single thread in instructions, counted by valgrind, and no others
    --list            the rows and what they measure
";

const CRATES: [&str; 7] = [
    "heist",
    "tokio",
    "smol",
    "flume",
    "kanal",
    "futures",
    "crossbeam",
];

/// What the command line asks for.
struct Options {
    rows: Vec<&'static Row>,
    crates: Vec<&'static str>,
    rounds: usize,
    least: bool,
    measure: Measure,
}

/// What is counted for each operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Measure {
    Time,
    Cpu,
    Instructions,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--child", name, row, count] => {
            println!("{}", run(name, row, count));
        }
        ["--child-cpu", name, row, count] => {
            let before = process_cpu();
            run(name, row, count);
            let count: f64 = count.parse().expect("a number");
            println!("{}", (process_cpu() - before).as_nanos() as f64 / count);
        }
        ["--help" | "-h"] => print!("{HELP}"),
        ["--list"] => {
            for row in ROWS {
                println!("{:16} {} ({})", row.name, row.what, row.kind.unit());
            }
        }
        _ => match options(&words) {
            Ok(options) => {
                if options.measure != Measure::Instructions {
                    println!("{}\n", benches::processors::report());
                }
                table(&options);
            }
            Err(error) => {
                eprintln!("{error}\n\n{HELP}");
                return ExitCode::from(2);
            }
        },
    }
    ExitCode::SUCCESS
}

fn options(words: &[&str]) -> Result<Options, String> {
    let mut options = Options {
        rows: ROWS.iter().collect(),
        crates: CRATES.to_vec(),
        rounds: 5,
        least: false,
        measure: Measure::Time,
    };
    let mut words = words.iter();
    while let Some(option) = words.next() {
        match *option {
            "--least" => options.least = true,
            "--cpu" => options.measure = Measure::Cpu,
            "--instructions" => options.measure = Measure::Instructions,
            _ => {
                let value = words.next().ok_or(format!("{option} wants a value"))?;
                options.set(option, value)?;
            }
        }
    }
    match options.measure {
        Measure::Time => {}
        Measure::Cpu => options.rows.retain(|row| row.kind != Kind::Bytes),
        Measure::Instructions => options.rows.retain(|row| row.kind == Kind::Alone),
    }
    Ok(options)
}

impl Options {
    fn set(&mut self, option: &str, value: &str) -> Result<(), String> {
        let names = value.split(',');
        match option {
            "--rows" => {
                let find = |name: &str| ROWS.iter().find(|row| row.name == name);
                self.rows = names
                    .map(|name| find(name).ok_or(format!("no row is called {name}: see --list")))
                    .collect::<Result<_, _>>()?;
            }
            "--crates" => {
                let find = |name: &str| CRATES.into_iter().find(|known| *known == name);
                self.crates = names
                    .map(|name| find(name).ok_or(format!("no crate is called {name}")))
                    .collect::<Result<_, _>>()?;
            }
            "--rounds" => match value.parse() {
                Ok(rounds @ 1..) => self.rounds = rounds,
                _ => {
                    return Err(format!(
                        "--rounds wants a number of at least 1, not {value}"
                    ));
                }
            },
            _ => return Err(format!("no option is called {option}")),
        }
        Ok(())
    }
}

/// Runs one row with one crate, and returns its figure.
fn run(name: &str, row: &str, count: &str) -> f64 {
    let row = ROWS.iter().find(|known| known.name == row);
    let run = row.and_then(|row| row.runs.iter().find(|(column, _)| *column == name));
    let (_, run) = run.expect("a row and a crate that has it");
    run(count.parse().expect("a number"))
}

/// Runs everything that the options ask for. Prints the line of each row as soon as it is known.
fn table(options: &Options) {
    let mut head = vec!["row".to_owned(), "unit".to_owned()];
    head.extend(options.crates.iter().map(|name| (*name).to_owned()));
    head.extend(["heist / tokio", "heist / best"].map(str::to_owned));
    line(&head);
    line(&vec!["---".to_owned(); head.len()]);
    for row in &options.rows {
        let values = values(options, row);
        let of = |name: &str| {
            let at = options.crates.iter().position(|known| *known == name);
            at.and_then(|at| values[at])
        };
        let best = options
            .crates
            .iter()
            .zip(&values)
            .filter(|(name, _)| **name != "heist")
            .filter_map(|(_, value)| *value)
            .min_by(f64::total_cmp);
        let unit = match options.measure {
            Measure::Time => row.kind.unit(),
            Measure::Cpu => "CPU ns",
            Measure::Instructions => "instructions",
        };
        let mut cells = vec![row.what.to_owned(), unit.to_owned()];
        cells.extend(
            values
                .iter()
                .map(|value| value.map_or(String::new(), figure)),
        );
        cells.push(ratio(of("heist"), of("tokio")));
        cells.push(ratio(of("heist"), best));
        line(&cells);
    }
}

fn ratio(ours: Option<f64>, theirs: Option<f64>) -> String {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => format!("{:.2}", ours / theirs),
        _ => String::new(),
    }
}

/// For each crate, what the rounds of `row` gave. `None` if the crate doesn't have the row.
fn values(options: &Options, row: &Row) -> Vec<Option<f64>> {
    let rounds = match row.kind {
        _ if options.measure == Measure::Instructions => 1,
        Kind::Bytes => 1,
        Kind::Alone | Kind::Together => options.rounds,
    };
    let mut all = vec![Vec::new(); options.crates.len()];
    for _ in 0..rounds {
        for (name, values) in options.crates.iter().zip(&mut all) {
            if row.runs.iter().any(|(column, _)| column == name) {
                values.push(match options.measure {
                    Measure::Time => time(name, row, "--child"),
                    Measure::Cpu => time(name, row, "--child-cpu"),
                    Measure::Instructions => instructions(name, row),
                });
            }
        }
    }
    let percent = if options.least { 0 } else { 50 };
    all.iter_mut()
        .map(|values| (!values.is_empty()).then(|| percentile(values, percent)))
        .collect()
}

fn this_program() -> std::path::PathBuf {
    std::env::current_exe().expect("the path of this program")
}

/// The figure of one row with one crate, measured in its own process.
fn time(name: &str, row: &Row, how: &str) -> f64 {
    let output = Command::new(this_program())
        .args([how, name, row.name, &row.count.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .expect("this program can be started again");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| {
        eprintln!("{} with {name}: {}", row.name, output.status);
        f64::NAN
    })
}

/// Instructions of one operation. It is the difference between two runs, so that start and end don't count.
fn instructions(name: &str, row: &Row) -> f64 {
    let (few, many) = (2_000, 12_000);
    let count = |count: usize| {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(this_program())
            .args(["--child", name, row.name, &count.to_string()])
            .output()
            .expect("valgrind is there");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let collected = text.lines().find_map(|line| line.split_once("Collected :"));
        let collected = collected.and_then(|(_, number)| number.trim().parse::<f64>().ok());
        collected.unwrap_or_else(|| panic!("valgrind counts nothing: {text}"))
    };
    (count(many) - count(few)) / (many - few) as f64
}

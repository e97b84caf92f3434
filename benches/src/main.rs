//! heist beside tokio and smol: `cargo run --release -p benches -- --help`.
//!
//! The parent runs each (shape, runtime) in its own process, one runtime after the other, for several rounds. It prints
//! the medians with their ratios as a table. The child is this same program with `--child`. Heist runs twice: with one
//! worker, and with as many workers as the others.

mod client;
mod figures;
mod machine;
mod page;
mod picture;
mod report;
mod rt;
mod run;
mod shapes;
mod table;

use std::cell::Cell;
use std::path::PathBuf;
use std::process::ExitCode;

use figures::{Figures, ONE_WORKER};
use report::Folder;
use run::Plan;
use table::Table;

const HELP: &str = "\
Runs heist beside tokio and smol and prints the medians.

    cargo run --release -p benches -- [OPTIONS]

    --shapes A,B      only these (all; see --list)
    --runtimes A,B    of heist-1,heist,tokio,smol (these), epoll, io_uring, callbacks, asyncio and uvloop; heist-1: heist with one worker;
                      epoll, io_uring: bare loops, for sockets; callbacks: heist's event loop; it and the last two serve TCP echo
    --rounds N        each runtime in turn, so often (5)
    --workers N       worker threads of the others (2)
    --report FOLDER   write a page (index.html), a picture (figures.svg), the table (figures.md), and all rounds (figures.tsv)
    --from FILE       measure nothing: take the figures.tsv of an earlier report
    --list            the shapes and what they measure
";

/// The runtimes, in the order of the table.
const RUNTIMES: [&str; 4] = [ONE_WORKER, "heist", "tokio", "smol"];

/// No runtime, for the shapes that serve.
const BARE: &str = "epoll";

/// The same by `io_uring`, for TCP echo of 64 bytes.
const URING: &str = "io_uring";

/// The shapes of TCP echo in callbacks: heist's event loop, and Python's.
const CALLBACKS: [&str; 3] = ["callbacks", "asyncio", "uvloop"];

/// What the command line asks for.
struct Options {
    plan: Plan,
    report: Option<PathBuf>,
    from: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--child", runtime, shape, workers] => child(
            runtime,
            shape,
            workers.parse().expect("a number of workers"),
        ),
        ["--client", kind, address, connections, messages] => client::main(
            kind,
            address.parse().expect("an address"),
            connections.parse().expect("a number of connections"),
            messages.parse().expect("a number of messages"),
        ),
        ["--help" | "-h"] => print!("{HELP}"),
        ["--list"] => {
            for shape in shapes::SHAPES {
                for (what, unit) in shape.rows {
                    println!("{:14} {what} ({unit})", shape.name);
                }
            }
        }
        _ => match options(&words) {
            Ok(options) => {
                if let Err(error) = measure(&options) {
                    eprintln!("{error}");
                    return ExitCode::FAILURE;
                }
            }
            Err(error) => {
                eprintln!("{error}\n\n{HELP}");
                return ExitCode::from(2);
            }
        },
    }
    ExitCode::SUCCESS
}

/// Measures, or reads what was measured before. Prints the line of each row as soon as it is known.
fn measure(options: &Options) -> Result<(), String> {
    let plan = &options.plan;
    let kept = options.from.as_ref().map(|from| {
        let text = std::fs::read_to_string(from).map_err(|error| error.to_string());
        let kept = text.and_then(|text| figures::read(&text));
        kept.map_err(|error| format!("{}: {error}", from.display()))
    });
    let kept = kept.transpose()?;
    let mut runtimes = plan.runtimes.clone();
    if let Some(kept) = &kept {
        let columns = || kept.rows.iter().flat_map(|row| &row.columns);
        runtimes.retain(|name| columns().any(|column| column.runtime == *name));
    }
    let table = Table::new(&runtimes);
    let facts = match &kept {
        Some(kept) => kept.facts.clone(),
        None => machine::facts(plan.rounds, plan.workers),
    };
    let refused = |error: std::io::Error| match &options.report {
        Some(folder) => format!(
            "the report can't be written to {}: {error}",
            folder.display()
        ),
        None => error.to_string(),
    };
    let begin = |path: &PathBuf| Folder::begin(path, &facts);
    let mut folder = options.report.as_ref().map(begin);
    let mut folder = folder.take().transpose().map_err(refused)?;
    for (name, value) in &facts {
        println!("{name}: {value}  ");
    }
    print!("\n{}", table.head());
    let mut figures = Figures {
        facts: facts.clone(),
        rows: Vec::new(),
    };
    let mut take = |rows: Vec<figures::Row>| {
        for row in rows {
            print!("{}", table.row(&row));
            if let Some(folder) = &mut folder {
                folder.keep(&row).map_err(refused)?;
            }
            figures.rows.push(row);
        }
        Ok::<_, String>(())
    };
    match kept {
        Some(kept) => take(kept.rows)?,
        None => plan
            .shapes
            .iter()
            .try_for_each(|shape| take(plan.rows(shape)))?,
    }
    if let Some(folder) = folder {
        folder.end(&figures, &table).map_err(refused)?;
    }
    if plan.failed.get() {
        return Err("some figures are missing: see above".to_owned());
    }
    Ok(())
}

fn options(words: &[&str]) -> Result<Options, String> {
    let mut options = Options {
        plan: Plan {
            shapes: shapes::SHAPES.iter().collect(),
            runtimes: RUNTIMES.to_vec(),
            rounds: 5,
            workers: 2,
            failed: Cell::new(false),
        },
        report: None,
        from: None,
    };
    let plan = &mut options.plan;
    let mut words = words.iter();
    while let Some(option) = words.next() {
        let value = words.next().ok_or(format!("{option} wants a value"))?;
        match *option {
            "--shapes" => {
                let find = |name: &str| shapes::SHAPES.iter().find(|shape| shape.name == name);
                plan.shapes = value
                    .split(',')
                    .map(|name| find(name).ok_or(format!("no shape is called {name}: see --list")))
                    .collect::<Result<_, _>>()?;
            }
            "--runtimes" => {
                let asked: Vec<&str> = value.split(',').collect();
                let known = || RUNTIMES.into_iter().chain([BARE, URING]).chain(CALLBACKS);
                if let Some(name) = asked.iter().find(|name| !known().any(|it| it == **name)) {
                    return Err(format!("no runtime is called {name}"));
                }
                plan.runtimes = known().filter(|name| asked.contains(name)).collect();
            }
            "--rounds" => plan.rounds = at_least_one(option, value)?,
            "--workers" => plan.workers = at_least_one(option, value)?,
            "--report" => options.report = Some(PathBuf::from(value)),
            "--from" => options.from = Some(PathBuf::from(value)),
            _ => return Err(format!("no option is called {option}")),
        }
    }
    if plan.workers == 1 {
        plan.runtimes.retain(|name| *name != ONE_WORKER);
    }
    Ok(options)
}

fn at_least_one(option: &str, value: &str) -> Result<usize, String> {
    match value.parse() {
        Ok(number @ 1..) => Ok(number),
        _ => Err(format!(
            "{option} wants a number of at least 1, not {value}"
        )),
    }
}

/// Runs one shape on one runtime. Prints its values, one on each line.
fn child(runtime: &str, shape: &str, workers: usize) {
    fn on<R: rt::Rt>(shape: &str, workers: usize) -> Vec<f64> {
        let runtime = R::start(workers);
        let values = shapes::run(shape, &runtime, workers);
        // Tasks that idle or serve without end would only cost time at the end of the process.
        std::mem::forget(runtime);
        values
    }
    let values = match runtime {
        "heist" => on::<rt::heist::Heist>(shape, workers),
        "tokio" => on::<rt::tokio::Tokio>(shape, workers),
        "smol" => on::<rt::smol::Smol>(shape, workers),
        // There is none for most shapes.
        BARE => shapes::bare(shape).unwrap_or_else(|| std::process::exit(0)),
        #[cfg(target_os = "linux")]
        URING => shapes::uring::bare(shape).unwrap_or_else(|| std::process::exit(0)),
        _ if CALLBACKS.contains(&runtime) => {
            shapes::in_callbacks(runtime, shape, workers).unwrap_or_else(|| std::process::exit(0))
        }
        _ => panic!("no runtime is called {runtime}"),
    };
    for value in values {
        println!("{value}");
    }
    std::process::exit(0);
}

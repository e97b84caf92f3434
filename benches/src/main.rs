//! heist beside tokio and smol: `cargo run --release -p benches -- --help`.
//!
//! The parent runs each (shape, runtime) in a process of its own, the runtimes in turn, for several rounds, and
//! prints the medians with their ratios as a table. The child is this same program with `--child`. Heist runs twice:
//! with one worker and with as many as the others.

mod rt;
mod shapes;
mod table;

use std::process::ExitCode;

const HELP: &str = "\
Runs heist beside tokio and smol and prints the medians.

    cargo run --release -p benches -- [OPTIONS]

    --shapes A,B      only these (all; see --list)
    --runtimes A,B    of heist-1,heist,tokio,smol (all); heist-1: heist with one worker
    --rounds N        each runtime in turn, so often (5)
    --workers N       worker threads of the others (2)
    --list            the shapes and what they measure
";

/// The runtimes, in the order of the table.
const RUNTIMES: [&str; 4] = [ONE_WORKER, "heist", "tokio", "smol"];
/// heist with one worker, however many the others have.
const ONE_WORKER: &str = "heist-1";

/// What the command line asks for.
struct Options {
    shapes: Vec<&'static shapes::Shape>,
    runtimes: Vec<&'static str>,
    rounds: usize,
    workers: usize,
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
        ["--client", address, connections, messages] => shapes::tcp_client(
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
                println!("{}\n", benches::processors::report());
                table::print(&options);
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
        shapes: shapes::SHAPES.iter().collect(),
        runtimes: RUNTIMES.to_vec(),
        rounds: 5,
        workers: 2,
    };
    let mut words = words.iter();
    while let Some(option) = words.next() {
        let value = words.next().ok_or(format!("{option} wants a value"))?;
        match *option {
            "--shapes" => {
                let find = |name: &str| shapes::SHAPES.iter().find(|shape| shape.name == name);
                options.shapes = value
                    .split(',')
                    .map(|name| find(name).ok_or(format!("no shape is called {name}: see --list")))
                    .collect::<Result<_, _>>()?;
            }
            "--runtimes" => {
                let asked: Vec<&str> = value.split(',').collect();
                if let Some(name) = asked.iter().find(|name| !RUNTIMES.contains(name)) {
                    return Err(format!("no runtime is called {name}"));
                }
                options.runtimes.retain(|name| asked.contains(name));
            }
            "--rounds" => options.rounds = at_least_one(option, value)?,
            "--workers" => options.workers = at_least_one(option, value)?,
            _ => return Err(format!("no option is called {option}")),
        }
    }
    if options.workers == 1 {
        options.runtimes.retain(|name| *name != ONE_WORKER);
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

/// Runs one shape on one runtime and prints its values, one a line.
fn child(runtime: &str, shape: &str, workers: usize) {
    fn on<R: rt::Rt>(shape: &str, workers: usize) -> Vec<f64> {
        let runtime = R::start(workers);
        let values = shapes::run(shape, &runtime, workers);
        // Tasks that idle or serve for ever would only cost time at the end of the process.
        std::mem::forget(runtime);
        values
    }
    let values = match runtime {
        "heist" => on::<rt::heist::Heist>(shape, workers),
        "tokio" => on::<rt::tokio::Tokio>(shape, workers),
        "smol" => on::<rt::smol::Smol>(shape, workers),
        _ => panic!("no runtime is called {runtime}"),
    };
    for value in values {
        println!("{value}");
    }
    std::process::exit(0);
}

//! What the crawler prints at its end: a table, and a file for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::time::{Duration, Instant};

use heist::runtime::RuntimeMetrics;
use serde_json::{Value, json};

use crate::outcome::{Broken, Outcome, Share};

/// How many holders of one broken link the table names. The file names all.
const HOLDERS: usize = 5;

/// What one worker did during the crawl.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Worker {
    /// How long it was awake. That is no CPU time: a worker is also awake while it waits for a core.
    busy: Duration,
    polls: u64,
    steals: u64,
}

/// What all workers did during the crawl, and how long that took.
#[derive(Clone, Debug)]
pub(crate) struct Workers {
    each: Vec<Worker>,
    time: Duration,
}

/// The workers as they were when the crawl began.
pub(crate) struct Look {
    each: Vec<Worker>,
    at: Instant,
}

impl Look {
    pub(crate) fn now(metrics: &RuntimeMetrics) -> Look {
        // The clock first, and last in `since`: so no worker was awake for longer than the time.
        let at = Instant::now();
        let each = workers(metrics);
        Look { each, at }
    }

    /// What the workers have done since then.
    pub(crate) fn since(&self, metrics: &RuntimeMetrics) -> Workers {
        let now = workers(metrics);
        let since = |(now, before): (&Worker, &Worker)| Worker {
            busy: now.busy.saturating_sub(before.busy),
            polls: now.polls.saturating_sub(before.polls),
            steals: now.steals.saturating_sub(before.steals),
        };
        Workers {
            each: now.iter().zip(&self.each).map(since).collect(),
            time: self.at.elapsed(),
        }
    }
}

/// What each worker has done so far.
fn workers(metrics: &RuntimeMetrics) -> Vec<Worker> {
    let worker = |index| Worker {
        busy: metrics.worker_total_busy_duration(index),
        polls: metrics.worker_poll_count(index),
        steals: metrics.worker_steal_count(index),
    };
    (0..metrics.num_workers()).map(worker).collect()
}

/// Writes the table.
pub(crate) fn table(out: &mut impl Write, outcome: &Outcome, workers: &Workers) -> io::Result<()> {
    let bytes: usize = outcome.pages.values().map(|page| page.bytes).sum();
    let links: usize = outcome.pages.values().map(|page| page.links).sum();
    let seconds = outcome.elapsed.as_secs_f64();
    let rate = outcome.pages.len() as f64 / seconds.max(f64::EPSILON);

    writeln!(out, "{}", outcome.start)?;
    let mut row = |name: &str, value: String| writeln!(out, "{name:<14}{value}");
    row("pages", grouped(outcome.pages.len()))?;
    row("bytes", grouped(bytes))?;
    let links_out = grouped(outcome.links_out);
    row(
        "links",
        format!("{}, {links_out} of them out of the crawl", grouped(links)),
    )?;
    let cut = outcome.pages.values().filter(|page| page.cut.is_some());
    for (name, count, what) in [
        ("cut", cut.count(), "pages that were not read to their end"),
        ("left", outcome.left, left_by(outcome)),
        (
            "forgotten",
            outcome.forgotten,
            "links, too many to remember",
        ),
    ] {
        if count > 0 {
            row(name, format!("{} {what}", grouped(count)))?;
        }
    }
    if !outcome.forbidden.is_empty() {
        row(
            "forbidden",
            format!("{} by robots.txt", grouped(outcome.forbidden.len())),
        )?;
    }
    row("status codes", statuses(outcome))?;
    for (name, value) in processes_rows(outcome) {
        row(&name, value)?;
    }
    row("pages/s", format!("{rate:.0}, in {seconds:.3} s"))?;
    row("latency", latency(&outcome.latencies))?;
    for (index, worker) in workers.each.iter().enumerate() {
        let time = workers.time.as_secs_f64().max(f64::EPSILON);
        let busy = 100.0 * worker.busy.as_secs_f64() / time;
        let (polls, steals) = (
            grouped(worker.polls as usize),
            grouped(worker.steals as usize),
        );
        row(
            &format!("worker {index}"),
            format!("busy {busy:.1} % of the time, {polls} polls, {steals} steals"),
        )?;
    }
    let steals: u64 = workers.each.iter().map(|worker| worker.steals).sum();
    row("steals", grouped(steals as usize))?;
    row("broken links", grouped(outcome.broken.len()))?;
    broken(out, outcome)
}

/// The broken links, each with the pages that hold it.
fn broken(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    let mut by_url: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for Broken { page, url, reason } in &outcome.broken {
        let page = page.as_deref().unwrap_or("(the start page)");
        by_url.entry((&**url, &**reason)).or_default().push(page);
    }
    for ((url, reason), pages) in by_url {
        writeln!(out, "  {}: {reason}", printable(url))?;
        for page in pages.iter().take(HOLDERS) {
            writeln!(out, "    on {page}")?;
        }
        if pages.len() > HOLDERS {
            writeln!(out, "    and on {} more", grouped(pages.len() - HOLDERS))?;
        }
    }
    Ok(())
}

/// Text of a page as it can be shown. A terminal obeys control characters.
pub(crate) fn printable(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() {
            true => plain.extend(character.escape_default()),
            false => plain.push(character),
        }
    }
    plain
}

/// What all processes have done, and what each has if there are several.
fn processes_rows(outcome: &Outcome) -> Vec<(String, String)> {
    let shares = outcome.processes.values();
    let hosts: BTreeSet<_> = shares.clone().flat_map(|share| &share.hosts).collect();
    let sums = [
        ("retries", shares.clone().map(|share| share.retries).sum()),
        ("redirects", shares.map(|share| share.redirects).sum()),
        ("hosts", hosts.len()),
        ("dead pages", outcome.dead.len()),
    ];
    let mut rows = Vec::from(sums.map(|(name, sum)| (name.to_owned(), grouped(sum))));
    if outcome.processes.len() > 1 {
        let each = outcome.processes.iter();
        rows.extend(each.map(|(process, done)| (format!("process {process}"), share(done))));
    }
    rows
}

/// What one process has done.
fn share(share: &Share) -> String {
    let each = [
        (share.pages, "pages"),
        (share.bytes, "bytes"),
        (share.retries, "retries"),
        (share.redirects, "redirects"),
        (share.hosts.len(), "hosts"),
        (share.dead, "dead pages"),
    ];
    let each = each.map(|(count, what)| format!("{} {what}", grouped(count)));
    each.join(", ")
}

fn left_by(outcome: &Outcome) -> &'static str {
    match outcome.interrupted {
        true => "known pages, as the crawl was interrupted",
        false => "known pages, by --max-pages",
    }
}

fn statuses(outcome: &Outcome) -> String {
    let each = outcome.statuses.iter();
    let each = each.map(|(status, count)| format!("{status}: {}", grouped(*count)));
    match each.collect::<Vec<_>>() {
        none if none.is_empty() => "none".into(),
        some => some.join(", "),
    }
}

fn latency(latencies: &[Duration]) -> String {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    match (percentile(&sorted, 50), percentile(&sorted, 99)) {
        (Some(p50), Some(p99)) => format!("p50 {p50:.1?}, p99 {p99:.1?}"),
        _ => "none".into(),
    }
}

/// The least value that `percent` percent do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

/// `1234567` as `1,234,567`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes the outcome for programs, as JSON. It is written item by item, as there may be millions of them.
pub(crate) fn json(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    let pages = outcome.pages.iter().map(|(url, page)| {
        json!({
            "url": url,
            "status": page.status,
            "bytes": page.bytes,
            "links": page.links,
            "type": page.media,
            "cut": page.cut,
        })
    });
    let broken = outcome.broken.iter().map(|broken| {
        json!({
            "page": broken.page.as_deref(),
            "url": &*broken.url,
            "reason": &*broken.reason,
        })
    });
    let redirects = outcome.redirects.iter();
    let redirects = redirects.map(|(from, to)| (Some(&**from), json!(&**to)));
    let forbidden = outcome.forbidden.iter().map(|url| json!(url));
    writeln!(out, "{{")?;
    write!(out, "  \"pages\": ")?;
    items(out, ['[', ']'], pages.map(|page| (None, page)))?;
    write!(out, "  \"broken\": ")?;
    items(out, ['[', ']'], broken.map(|broken| (None, broken)))?;
    write!(out, "  \"redirects\": ")?;
    items(out, ['{', '}'], redirects)?;
    write!(out, "  \"forbidden\": ")?;
    items(out, ['[', ']'], forbidden.map(|url| (None, url)))?;
    for (name, value) in [
        ("dead", json!(outcome.dead)),
        ("processes", processes(outcome)),
        ("start", json!(outcome.start)),
        ("start_error", json!(outcome.start_error)),
        ("interrupted", json!(outcome.interrupted)),
        ("statuses", json!(outcome.statuses)),
        ("links_out", json!(outcome.links_out)),
        ("left", json!(outcome.left)),
        ("forgotten", json!(outcome.forgotten)),
    ] {
        writeln!(out, "  {}: {value},", json!(name))?;
    }
    writeln!(
        out,
        "  \"seconds\": {}",
        json!(outcome.elapsed.as_secs_f64())
    )?;
    writeln!(out, "}}")
}

fn processes(outcome: &Outcome) -> Value {
    let each = outcome.processes.iter().map(|(process, share)| {
        let share = json!({
            "pages": share.pages,
            "bytes": share.bytes,
            "retries": share.retries,
            "redirects": share.redirects,
            "hosts": share.hosts,
            "dead": share.dead,
        });
        (process.to_string(), share)
    });
    Value::Object(each.collect())
}

/// Writes the items of an array or of an object, one a line.
fn items<'a>(
    out: &mut impl Write,
    [open, close]: [char; 2],
    items: impl Iterator<Item = (Option<&'a str>, Value)>,
) -> io::Result<()> {
    write!(out, "{open}")?;
    for (index, (name, value)) in items.enumerate() {
        let comma = if index > 0 { "," } else { "" };
        write!(out, "{comma}\n    ")?;
        if let Some(name) = name {
            write!(out, "{}: ", json!(name))?;
        }
        write!(out, "{value}")?;
    }
    writeln!(out, "{close},")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let numbers = [0, 12, 123, 1234, 123_456, 1_234_567];
        let texts = ["0", "12", "123", "1,234", "123,456", "1,234,567"];
        assert_eq!(numbers.map(grouped), texts);
    }

    #[test]
    fn the_json_is_whole_whether_there_is_much_or_nothing() {
        let mut outcome = Outcome::default();
        for count in 0..3 {
            let mut text = Vec::new();
            json(&mut text, &outcome).unwrap();
            let found: Value = serde_json::from_slice(&text).unwrap();
            for list in ["pages", "broken", "forbidden"] {
                assert_eq!(found[list].as_array().unwrap().len(), 0);
            }
            assert_eq!(found["redirects"].as_object().unwrap().len(), count);
            assert!(found["start"].is_string() && found["seconds"].is_number());
            let from = format!("\"{count}\u{1b}");
            outcome.redirects.insert(from.into(), "\\".into());
        }
    }

    #[test]
    fn control_characters_are_shown_and_not_obeyed() {
        let shown = printable("a\u{1b}[31m\r\n\u{9b}\u{e9}");
        assert_eq!(shown, "a\\u{1b}[31m\\r\\n\\u{9b}\u{e9}");
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let times: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Some(Duration::from_millis(50)));
        assert_eq!(percentile(&times, 99), Some(Duration::from_millis(99)));
        assert_eq!(percentile(&times[..1], 99), Some(times[0]));
        assert_eq!(percentile(&[], 50), None);
    }
}

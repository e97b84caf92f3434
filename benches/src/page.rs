//! The report: one page with the machine, the table, and bars with the spread of the rounds.

use std::fmt::Write as _;

use benches::measure::figure;

use crate::figures::{Column, Figures, ONE_WORKER, Row};
use crate::picture::escape;
use crate::table::Table;

const STYLE: &str = "\
:root { color-scheme: light dark; --text: #1f2328; --dim: #59636e; --line: #d1d9e0; --heist: #2f6fde; --peer: #afb8c1; --dot: #1f2328 }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --dim: #9198a1; --line: #3d444d; --heist: #5c94f5; --peer: #59636e; --dot: #e6edf3 } }
body { font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', sans-serif; color: var(--text); max-width: 62rem; margin: 3rem auto; padding: 0 1.5rem }
h1 { font-size: 1.6rem; margin: 0 0 .25rem } h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem } p { color: var(--dim); margin: .25rem 0 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100% }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line) }
th { font-weight: 600; vertical-align: bottom } th:first-child, td:first-child, .facts td, .facts th { text-align: left }
.facts { width: auto } .facts th { color: var(--dim); font-weight: 400 } .facts td, .facts th { border: 0; padding: .1rem 1rem .1rem 0 }
td.unit { color: var(--dim); text-align: left; white-space: nowrap } td.better { color: var(--heist); font-weight: 600 }
figure { margin: 0 0 1.5rem } figcaption { font-weight: 600; margin-bottom: .25rem } figcaption span { color: var(--dim); font-weight: 400 }
svg { display: block; width: 100%; height: auto } svg text { font-size: 12px; fill: var(--text) } svg .dim { fill: var(--dim) }
.heist { fill: var(--heist) } .peer { fill: var(--peer) } .dot { fill: var(--dot); fill-opacity: .75 } .whisker { stroke: var(--dot); stroke-opacity: .6 }";

/// The page, which needs no other file.
pub(crate) fn html(figures: &Figures, table: &Table) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>heist beside its peers</title>\n<style>{STYLE}</style>\n<h1>heist beside its peers</h1>\n\
         <p>Each figure is a cost: less is better. A figure is the median of the rounds.</p>\n<h2>Measured on</h2>\n<table class=\"facts\">\n",
    );
    for (name, value) in &figures.facts {
        let value = value.replace("**", "");
        let _ = writeln!(
            page,
            "<tr><th>{}</th><td>{}</td></tr>",
            escape(name),
            escape(&value)
        );
    }
    page += "</table>\n<h2>Medians</h2>\n";
    page += &medians(figures, table);
    page += "<h2>Rounds</h2>\n<p>A bar ends at the median, the line spans the least and the most, each dot is a round.</p>\n";
    for row in &figures.rows {
        page += &bars(row);
    }
    page
}

fn medians(figures: &Figures, table: &Table) -> String {
    let mut html = "<table>\n".to_owned();
    for (i, row) in figures.rows.iter().enumerate() {
        let cells = table.cells(row);
        if i == 0 {
            html += "<tr><th>shape</th><th></th>";
            for (title, _) in &cells {
                let _ = write!(html, "<th>{}</th>", escape(title));
            }
            html += "</tr>\n";
        }
        let _ = write!(
            html,
            "<tr><td>{}</td><td class=\"unit\">{}</td>",
            escape(&row.what),
            escape(&row.unit)
        );
        for (title, cell) in &cells {
            let ratio = title.contains(" / ").then(|| cell.parse::<f64>().ok());
            let better = ratio.flatten().is_some_and(|ratio| ratio < 1.0);
            let class = if better { " class=\"better\"" } else { "" };
            let _ = write!(html, "<td{class}>{}</td>", escape(cell));
        }
        html += "</tr>\n";
    }
    html + "</table>\n"
}

/// Where the bars begin, how long the longest may be, how high one is.
const LEFT: f64 = 120.0;
const LENGTH: f64 = 640.0;
const HEIGHT: f64 = 24.0;

fn bars(row: &Row) -> String {
    let rounds = row.columns.iter().flat_map(|column| &column.rounds);
    let most = rounds
        .copied()
        .filter(|it| it.is_finite())
        .fold(0.0, f64::max);
    let mut html = format!(
        "<figure><figcaption>{} <span>{}</span></figcaption>\n<svg viewBox=\"0 0 880 {}\">\n",
        escape(&row.what),
        escape(&row.unit),
        HEIGHT * row.columns.len() as f64
    );
    for (i, column) in row.columns.iter().enumerate() {
        html += &bar(column, most, HEIGHT * i as f64);
    }
    html + "</svg></figure>\n"
}

fn bar(column: &Column, longest: f64, y: f64) -> String {
    let x = |value: f64| LEFT + LENGTH * value / longest.max(f64::MIN_POSITIVE);
    let [least, median, most] = column.spread();
    let name = match &*column.runtime {
        ONE_WORKER => "heist, 1 worker",
        name => name,
    };
    let mut html = format!(
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        LEFT - 10.0,
        y + 16.0,
        escape(name)
    );
    if !median.is_finite() {
        let _ = writeln!(
            html,
            "<text class=\"dim\" x=\"{LEFT}\" y=\"{}\">no round came to its end</text>",
            y + 16.0
        );
        return html;
    }
    let class = if column.runtime.starts_with("heist") {
        "heist"
    } else {
        "peer"
    };
    let middle = y + 12.0;
    let _ = write!(
        html,
        "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{}\" width=\"{:.1}\" height=\"14\" rx=\"2\"/>\
         <line class=\"whisker\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle}\" y2=\"{middle}\"/>",
        y + 5.0,
        (x(median) - LEFT).max(1.0),
        x(least),
        x(most)
    );
    for value in column.rounds.iter().filter(|value| value.is_finite()) {
        let _ = write!(
            html,
            "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{middle}\" r=\"2.5\"/>",
            x(*value)
        );
    }
    let _ = writeln!(
        html,
        "<text class=\"dim\" x=\"{:.1}\" y=\"{}\">{}</text>",
        x(most) + 10.0,
        y + 16.0,
        figure(median)
    );
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_that_failed_and_a_figure_of_nothing_are_drawn_too() {
        let mut row = Row::new("a", "x", "ns", &["heist", "tokio"]);
        row.columns[0].rounds = vec![0.0];
        row.columns[1].rounds = vec![f64::NAN];
        let figures = Figures {
            facts: vec![("cores".to_owned(), "**WARNING**: <one>".to_owned())],
            rows: vec![row],
        };
        let html = html(&figures, &Table::new(&["heist", "tokio"]));
        assert!(html.contains("no round came to its end") && html.contains("WARNING: &lt;one&gt;"));
        assert!(!html.contains("NaN") && !html.contains("inf"));
    }
}

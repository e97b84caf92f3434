//! The picture for a front page. It compares heist with each peer, shape by shape, on a logarithmic axis.

use std::fmt::Write as _;

use crate::figures::{Figures, Row};

/// Where a row begins, and how high it is.
const TOP: f64 = 64.0;
const ROW: f64 = 30.0;
/// Where the axis lies.
const LEFT: f64 = 330.0;
const RIGHT: f64 = 850.0;
/// The ratios at the ends of the axis. What lies beyond is drawn up to there.
const LEAST: f64 = 1.0 / 32.0;
const MOST: f64 = 4.0;

const STYLE: &str = "\
text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #57606a }
.title { font-size: 15px; font-weight: 600; fill: #24292f }
.figure { font-size: 11px; font-variant-numeric: tabular-nums }
.tokio { fill: #2f6fde } .smol { fill: #93b4ee }
text.inside { fill: #fff }
.axis { stroke: #8c959f; stroke-opacity: .3 } .one { stroke: #57606a; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #9da7b3 } .title { fill: #e6edf3 } .tokio { fill: #5c94f5 } .smol { fill: #35578f } .one { stroke: #9da7b3 }
}";

/// Where a ratio lies on the axis.
fn x(ratio: f64) -> f64 {
    let ratio = ratio.clamp(LEAST, MOST);
    LEFT + (RIGHT - LEFT) * (ratio / LEAST).ln() / (MOST / LEAST).ln()
}

/// Escapes a text for XML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The picture, as SVG.
pub(crate) fn svg(figures: &Figures) -> String {
    let peers = ["tokio", "smol"];
    let has_peer = |row: &&Row| peers.iter().any(|peer| row.ratio("heist", peer).is_some());
    let rows: Vec<_> = figures.rows.iter().filter(has_peer).collect();
    let bottom = TOP + ROW * rows.len() as f64;
    let height = bottom + 40.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 900 {height}\" width=\"900\" height=\"{height}\" role=\"img\">\n\
         <title>heist's figures over its peers': less is better</title>\n<style>{STYLE}</style>\n\
         <text class=\"title\" x=\"16\" y=\"26\">heist's figure over its peer's: left of 1, heist is better</text>\n\
         <rect class=\"tokio\" x=\"16\" y=\"38\" width=\"11\" height=\"11\" rx=\"2\"/><text x=\"33\" y=\"48\">to tokio</text>\n\
         <rect class=\"smol\" x=\"104\" y=\"38\" width=\"11\" height=\"11\" rx=\"2\"/><text x=\"121\" y=\"48\">to smol</text>\n",
    );
    for (ratio, label) in [
        (1.0 / 32.0, "1/32"),
        (1.0 / 16.0, "1/16"),
        (1.0 / 8.0, "1/8"),
        (0.25, "1/4"),
        (0.5, "1/2"),
        (1.0, "1"),
        (2.0, "2"),
        (4.0, "4"),
    ] {
        let class = if ratio == 1.0 { "one" } else { "axis" };
        let x = x(ratio);
        let _ = writeln!(
            svg,
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\
             <text class=\"figure\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{:.1}\">{label}</text>",
            bottom + 18.0
        );
    }
    for (i, row) in rows.iter().enumerate() {
        let y = TOP + ROW * i as f64;
        let _ = writeln!(
            svg,
            "<text text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{}</text>",
            LEFT - 12.0,
            y + 19.0,
            escape(&shortened(&row.what))
        );
        for (j, peer) in peers.iter().enumerate() {
            if let Some(ratio) = row.ratio("heist", peer) {
                svg += &bar(peer, ratio, y + 4.0 + 11.0 * j as f64);
            }
        }
    }
    svg + "</svg>\n"
}

/// A bar from 1 to `ratio`, and its figure at the end.
fn bar(peer: &str, ratio: f64, y: f64) -> String {
    let (from, to) = (x(1.0).min(x(ratio)), x(1.0).max(x(ratio)));
    // A bar as long as the axis leaves no room beside it.
    let (class, anchor, at) = match ratio {
        _ if from < LEFT + 30.0 => ("figure inside", "start", from + 4.0),
        ..1.0 => ("figure", "end", from - 4.0),
        _ if to > RIGHT - 10.0 => ("figure inside", "end", to - 4.0),
        _ => ("figure", "start", to + 4.0),
    };
    format!(
        "<rect class=\"{peer}\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"10\" rx=\"1.5\"/>\
         <text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>\n",
        (to - from).max(1.0),
        y + 9.0,
        match ratio {
            ..0.005 => "under 0.01".to_owned(),
            ratio => format!("{ratio:.2}"),
        }
    )
}

/// Shortens a text to what fits to the left of the axis.
fn shortened(what: &str) -> String {
    const MOST: usize = 42;
    match what.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", what[..end].trim_end()),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_is_logarithmic_and_ends() {
        let step = x(1.0) - x(0.5);
        assert!((x(0.25) - x(0.125) - step).abs() < 1e-6);
        assert_eq!((x(0.0001), x(1e9)), (LEFT, RIGHT));
    }

    #[test]
    fn a_row_without_a_peer_is_left_out_and_names_are_escaped() {
        let mut rows = vec![
            Row::new("a", "sends & <receives>", "ns", &["heist", "tokio"]),
            Row::new("b", "alone", "ns", &["heist"]),
        ];
        rows[0]
            .columns
            .iter_mut()
            .for_each(|it| it.rounds.push(1.0));
        rows[1].columns[0].rounds.push(1.0);
        let facts = Vec::new();
        let svg = svg(&Figures { facts, rows });
        assert!(svg.contains("sends &amp; &lt;receives&gt;") && !svg.contains("alone"));
    }
}

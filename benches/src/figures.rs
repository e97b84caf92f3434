//! What was measured: rows, their rounds, and the file that keeps them.

use benches::measure::percentile;

/// heist with one worker, however many workers the others have.
pub(crate) const ONE_WORKER: &str = "heist-1";

/// One row of the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) shape: String,
    pub(crate) what: String,
    pub(crate) unit: String,
    pub(crate) columns: Vec<Column>,
}

/// What one runtime took.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) runtime: String,
    pub(crate) rounds: Vec<f64>,
}

impl Column {
    /// The least, the median and the most. NaN if no round came to an end.
    pub(crate) fn spread(&self) -> [f64; 3] {
        let mut rounds: Vec<f64> = self
            .rounds
            .iter()
            .copied()
            .filter(|it| it.is_finite())
            .collect();
        if rounds.is_empty() {
            return [f64::NAN; 3];
        }
        [0, 50, 100].map(|percent| percentile(&mut rounds, percent))
    }
}

impl Row {
    /// A row without rounds.
    pub(crate) fn new(shape: &str, what: &str, unit: &str, runtimes: &[&str]) -> Self {
        let column = |runtime: &&str| Column {
            runtime: (*runtime).to_owned(),
            rounds: Vec::new(),
        };
        Self {
            shape: shape.to_owned(),
            what: what.to_owned(),
            unit: unit.to_owned(),
            columns: runtimes.iter().map(column).collect(),
        }
    }

    /// A runtime's median, if it ran.
    pub(crate) fn median(&self, runtime: &str) -> Option<f64> {
        let column = self.columns.iter().find(|it| it.runtime == runtime)?;
        let [_, median, _] = column.spread();
        median.is_finite().then_some(median)
    }

    /// The first runtime's median over the second's, if both ran.
    pub(crate) fn ratio(&self, ours: &str, theirs: &str) -> Option<f64> {
        let ratio = self.median(ours)? / self.median(theirs)?;
        ratio.is_finite().then_some(ratio)
    }
}

/// Everything that a report is made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figures {
    /// On what and with what it was measured: names and values.
    pub(crate) facts: Vec<(String, String)>,
    pub(crate) rows: Vec<Row>,
}

/// The lines that open the file.
pub(crate) fn head(facts: &[(String, String)]) -> String {
    let mut text: String = facts
        .iter()
        .map(|(name, value)| format!("# {name}\t{value}\n"))
        .collect();
    text.push_str("shape\twhat\tunit\truntime\trounds\n");
    text
}

/// The lines of one row, one for each runtime.
pub(crate) fn lines(row: &Row) -> String {
    let line = |column: &Column| {
        let rounds: Vec<_> = column.rounds.iter().map(f64::to_string).collect();
        let cells = [
            &*row.shape,
            &*row.what,
            &*row.unit,
            &*column.runtime,
            &rounds.join(" "),
        ];
        cells.join("\t") + "\n"
    };
    row.columns.iter().map(line).collect()
}

/// Reads what [`head`] and [`lines`] have written.
///
/// # Errors
/// If a line is none of theirs. The error says which.
pub(crate) fn read(text: &str) -> Result<Figures, String> {
    let mut figures = Figures {
        facts: Vec::new(),
        rows: Vec::new(),
    };
    for (i, line) in text.lines().enumerate() {
        let wrong = || format!("line {} is no line of figures: {line}", i + 1);
        if let Some(fact) = line.strip_prefix("# ") {
            let (name, value) = fact.split_once('\t').ok_or_else(wrong)?;
            figures.facts.push((name.to_owned(), value.to_owned()));
            continue;
        }
        let cells: Vec<&str> = line.split('\t').collect();
        let [shape, what, unit, runtime, rounds] = cells[..] else {
            return Err(wrong());
        };
        if shape == "shape" && rounds == "rounds" {
            continue;
        }
        let rounds: Result<Vec<f64>, _> = rounds.split_whitespace().map(str::parse).collect();
        let column = Column {
            runtime: runtime.to_owned(),
            rounds: rounds.map_err(|_| wrong())?,
        };
        match figures.rows.last_mut() {
            Some(row) if row.shape == shape && row.what == what => row.columns.push(column),
            _ => {
                let mut row = Row::new(shape, what, unit, &[]);
                row.columns.push(column);
                figures.rows.push(row);
            }
        }
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        let mut row = Row::new("ring", "a hop", "ns", &["heist", "tokio", "smol"]);
        row.columns[0].rounds = vec![30.0, 10.0, 20.0];
        row.columns[1].rounds = vec![40.0];
        row.columns[2].rounds = vec![f64::NAN];
        row
    }

    #[test]
    fn a_spread_is_the_least_the_median_and_the_most_of_the_rounds_that_ended() {
        assert_eq!(row().columns[0].spread(), [10.0, 20.0, 30.0]);
        assert_eq!(row().columns[1].spread(), [40.0; 3]);
        assert!(row().columns[2].spread()[1].is_nan());
    }

    #[test]
    fn a_ratio_is_of_medians_and_there_only_where_both_ran() {
        assert_eq!(row().ratio("heist", "tokio"), Some(0.5));
        assert_eq!(row().ratio("heist", "smol"), None);
        assert_eq!(row().ratio("heist", "none"), None);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let facts = vec![("processor".to_owned(), "one of two".to_owned())];
        let mut rows = vec![row(), row()];
        rows[1].what = "another".to_owned();
        rows.iter_mut().for_each(|row| drop(row.columns.pop()));
        let text: String = rows.iter().map(lines).collect();
        let figures = read(&(head(&facts) + &text)).unwrap();
        assert_eq!(figures, Figures { facts, rows });
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        assert!(read("a\tb\n").unwrap_err().starts_with("line 1"));
        assert!(read("a\tb\tc\td\tx\n").unwrap_err().starts_with("line 1"));
    }
}

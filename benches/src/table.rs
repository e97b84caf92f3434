//! The table, in Markdown.

use benches::measure::figure;

use crate::figures::{ONE_WORKER, Row};

/// The columns of a table.
pub(crate) struct Table {
    columns: Vec<Column>,
}

/// What a column of the table holds.
enum Column {
    /// A runtime's figure.
    Figure(&'static str),
    /// The first runtime's figure divided by the second's.
    Ratio(&'static str, &'static str),
}

impl Table {
    /// The figure of each runtime. heist's ratio to itself with one worker stands beside it, and its ratios to the
    /// others at the end.
    pub(crate) fn new(runtimes: &[&'static str]) -> Self {
        let mut columns: Vec<_> = runtimes.iter().copied().map(Column::Figure).collect();
        if runtimes.contains(&"heist") {
            let peers = runtimes.iter().filter(|name| !name.starts_with("heist"));
            columns.extend(peers.map(|peer| Column::Ratio("heist", peer)));
            if runtimes.contains(&ONE_WORKER) {
                columns.insert(2, Column::Ratio("heist", ONE_WORKER));
            }
        }
        Self { columns }
    }

    /// The two lines above the rows.
    pub(crate) fn head(&self) -> String {
        let mut cells = vec!["shape".to_owned(), "unit".to_owned()];
        cells.extend(self.columns.iter().map(Column::title));
        let rules: Vec<_> = (0..cells.len())
            .map(|i| if i < 2 { "---" } else { "---:" }.to_owned())
            .collect();
        line(&cells) + &line(&rules)
    }

    /// One row.
    pub(crate) fn row(&self, row: &Row) -> String {
        let mut cells = vec![row.what.clone(), row.unit.clone()];
        cells.extend(self.columns.iter().map(|column| column.cell(row)));
        line(&cells)
    }

    /// The titles and cells of `row`, for a table elsewhere.
    pub(crate) fn cells(&self, row: &Row) -> Vec<(String, String)> {
        let cell = |column: &Column| (column.title(), column.cell(row));
        self.columns.iter().map(cell).collect()
    }
}

impl Column {
    fn title(&self) -> String {
        match self {
            Self::Figure(ONE_WORKER) => "heist, 1 worker".to_owned(),
            Self::Figure(runtime) => (*runtime).to_owned(),
            Self::Ratio("heist", ONE_WORKER) => "heist / 1 worker".to_owned(),
            Self::Ratio(ours, theirs) => format!("{ours} / {theirs}"),
        }
    }

    fn cell(&self, row: &Row) -> String {
        match self {
            Self::Figure(runtime) => row.median(runtime).map(figure),
            Self::Ratio(ours, theirs) => row.ratio(ours, theirs).map(|ratio| format!("{ratio:.2}")),
        }
        .unwrap_or_else(|| "–".to_owned())
    }
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

//! The folder of a report. It gets the figures as they come, and at the end what is made of them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::figures::{self, Figures, Row};
use crate::table::Table;
use crate::{page, picture};

/// A folder that a report is written to.
pub(crate) struct Folder {
    path: PathBuf,
    kept: File,
}

impl Folder {
    /// Makes the folder, and begins the file that keeps the figures: `figures.tsv`.
    ///
    /// # Errors
    /// If the operating system refuses one of them. Nothing has been measured then.
    pub(crate) fn begin(path: &Path, facts: &[(String, String)]) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let mut kept = File::create(path.join("figures.tsv"))?;
        kept.write_all(figures::head(facts).as_bytes())?;
        Ok(Self {
            path: path.to_owned(),
            kept,
        })
    }

    /// Keeps a row. So an interrupted run has kept what it measured.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn keep(&mut self, row: &Row) -> io::Result<()> {
        self.kept.write_all(figures::lines(row).as_bytes())
    }

    /// Writes the page, the picture, and the table.
    ///
    /// # Errors
    /// If one of them can't be written.
    pub(crate) fn end(self, figures: &Figures, table: &Table) -> io::Result<()> {
        let rows: String = figures.rows.iter().map(|row| table.row(row)).collect();
        fs::write(self.path.join("figures.md"), table.head() + &rows)?;
        fs::write(self.path.join("figures.svg"), picture::svg(figures))?;
        fs::write(self.path.join("index.html"), page::html(figures, table))
    }
}

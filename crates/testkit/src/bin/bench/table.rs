//! What was measured, row by row.

use muisti_testkit::Backend;

use crate::load::{Burst, median};

/// Values of each row, one for each run, in the order of their first appearance.
#[derive(Default)]
pub(crate) struct Table(Vec<(String, Vec<f64>)>);

impl Table {
    pub(crate) fn add(&mut self, row: &str, value: f64) {
        match self.0.iter_mut().find(|(name, _)| *name == row) {
            Some((_, values)) => values.push(value),
            None => self.0.push((row.to_owned(), vec![value])),
        }
    }

    pub(crate) fn add_burst(&mut self, name: &str, burst: &Burst) {
        self.add(&format!("{name} (requests/s)"), burst.per_second);
        self.add(&format!("{name} p50 (ms)"), burst.percentile(0.5));
        self.add(&format!("{name} p99 (ms)"), burst.percentile(0.99));
    }

    fn median(&self, row: &str) -> Option<f64> {
        self.0.iter().find(|(name, _)| *name == row).map(|(_, values)| median(values.clone()))
    }
}

/// Prints the medians of each database side by side.
pub(crate) fn print(tables: &[(Backend, Table)]) {
    let names: Vec<String> = tables.iter().map(|(backend, _)| backend.to_string()).collect();
    println!("| measure | {} |", names.join(" | "));
    println!("|---|{}", "--:|".repeat(names.len()));
    let Some((_, first)) = tables.first() else { return };
    for (row, _) in &first.0 {
        let cells: Vec<String> =
            tables.iter().map(|(_, table)| table.median(row).map_or_else(|| "–".to_owned(), cell)).collect();
        println!("| {row} | {} |", cells.join(" | "));
    }
}

fn cell(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

//! Tables in Markdown, and the middle of many numbers.

use std::fmt;

/// A table with a heading.
pub(crate) struct Table {
    title: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table. The first column is text, the others are figures.
    pub(crate) fn new(title: &'static str, columns: &[&'static str]) -> Self {
        Self {
            title,
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, one text for each column.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n", self.title)?;
        writeln!(f, "| {} |", self.columns.join(" | "))?;
        writeln!(f, "|---{}|", "|---:".repeat(self.columns.len() - 1))?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        writeln!(f)
    }
}

/// The middle one; of an even number, the higher of the two.
pub(crate) fn median(values: Vec<f64>) -> f64 {
    percentile(values, 50)
}

/// The least that so many hundredths do not exceed.
pub(crate) fn percentile(mut values: Vec<f64>, hundredths: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values
        .get(values.len() * hundredths / 100)
        .copied()
        .unwrap_or(f64::NAN)
}

/// The middle of some ratios, and between which they lie: how noisy they are.
pub(crate) fn ratio(values: Vec<f64>) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{:.2} ({least:.2} to {most:.2})", median(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new("Title", &["what", "figure"]);
        table.row(vec!["a".to_owned(), "1".to_owned()]);
        let expected = "### Title\n\n| what | figure |\n|---|---:|\n| a | 1 |\n\n";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn a_ratio_says_how_noisy_it_is() {
        assert_eq!(ratio(vec![0.5, 0.25, 0.75]), "0.50 (0.25 to 0.75)");
    }

    #[test]
    fn one_in_a_hundred_exceeds_the_99th_percentile() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert!((percentile(values, 99) - 199.0).abs() < f64::EPSILON);
        assert!(percentile(Vec::new(), 99).is_nan());
    }

    #[test]
    fn one_odd_value_does_not_move_the_median() {
        assert!((median(vec![3.0, 1.0, 900.0]) - 3.0).abs() < f64::EPSILON);
    }
}

//! Pages of lists whose items may be large.

/// A page of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Is there more behind it?
    pub goes_on: bool,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            goes_on: false,
        }
    }
}

/// What is known of a page before all that belongs to its items is read.
pub(crate) struct Rows {
    rows: usize,
    goes_on: bool,
}

impl Listed<()> {
    /// The rows of a page of `limit`, of which one more was read, if there was.
    pub(crate) fn page<R>(mut rows: Vec<R>, limit: i64) -> (Vec<R>, Rows) {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let goes_on = rows.len() > limit;
        rows.truncate(limit);
        let all = Rows {
            rows: rows.len(),
            goes_on,
        };
        (rows, all)
    }
}

impl Rows {
    /// The page with what was made of its first rows.
    pub(crate) fn of<T>(self, items: Vec<T>) -> Listed<T> {
        Listed {
            goes_on: self.goes_on || items.len() < self.rows,
            items,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_goes_on_if_a_row_was_left_out() {
        for (rows, limit, made, goes_on) in [
            (3, 3, 3, false),
            (4, 3, 3, true),
            (3, 3, 2, true),
            (4, 3, 1, true),
            (0, 3, 0, false),
        ] {
            let (kept, all) = Listed::page(vec![(); rows], limit);
            assert!(kept.len() <= 3);
            let page = all.of(vec![(); made]);
            assert_eq!((page.items.len(), page.goes_on), (made, goes_on));
        }
    }
}

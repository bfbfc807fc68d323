//! In debug builds: are hosts locked in the order of their names within a transaction, however often it
//! locks some? Whoever does not may wait for somebody who waits for him.

#[cfg(debug_assertions)]
use std::{cell::RefCell, collections::BTreeSet};

#[cfg(debug_assertions)]
thread_local! {
    /// Those that the transaction of this thread has locked.
    static LOCKED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// A transaction begins: it has locked none.
pub(crate) fn begin() {
    #[cfg(debug_assertions)]
    LOCKED.with_borrow_mut(BTreeSet::clear);
}

/// It locks these, in their order.
#[cfg_attr(
    not(debug_assertions),
    expect(unused_variables, reason = "nothing is checked")
)]
pub(super) fn lock(names: &[&str]) {
    #[cfg(debug_assertions)]
    LOCKED.with_borrow_mut(|locked| {
        let last = locked.last().cloned();
        for name in names {
            let follows = last.as_deref().is_none_or(|last| last < *name);
            debug_assert!(
                follows || locked.contains(*name),
                "{name} is locked behind {locked:?}"
            );
        }
        locked.extend(names.iter().map(|name| (*name).to_owned()));
    });
}

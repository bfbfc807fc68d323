//! Lists in pages (`contract: http.md §10, §11`).

use std::fmt::Display;

use godwit_core::time::Timestamp;

use super::{ApiError, Call};
use crate::http::timestamps;
use crate::nova::views::Next;

/// How many items the answer may have: what the caller asked for, and never more than allowed.
pub(super) fn limit(call: &Call) -> i64 {
    let most = call.state.config.max_limit;
    let Some(asked) = call.query.last("limit") else {
        return most;
    };
    // Valid digits that do not fit are more than allowed.
    asked
        .trim_end()
        .parse()
        .map_or(most, |asked: i64| asked.min(most))
}

/// How many items of a whole list are left out at its new_migration, and how many the answer may
/// have, where there are no markers; no limit is the greatest.
pub(super) fn slice(call: &Call) -> (usize, usize) {
    let offset = call.query.last("offset").map_or(0, |asked| {
        // Valid digits that do not fit are behind every list.
        asked.trim_end().parse().unwrap_or(usize::MAX)
    });
    let limit = match limit(call) {
        0 => call.state.config.max_limit,
        limit => limit,
    };
    (offset, usize::try_from(limit).unwrap_or(usize::MAX))
}

/// The link behind a full page; its last item is `last`.
pub(super) fn next(call: &Call, collection: &str, count: usize, last: Option<String>) -> Next {
    let full = i64::try_from(count).is_ok_and(|count| count > 0 && count == limit(call));
    let last = last.filter(|_| full)?;
    Some(call.links.next(collection, &call.query, &last))
}

/// What most lists say of a marker that leads nowhere.
pub(super) fn no_such_marker(text: impl Display) -> ApiError {
    ApiError::BadRequest(format!("marker [{text}] not found"))
}

/// When what is asked for changed last, at the earliest and at the latest; `said` is what a
/// parameter says.
pub(super) fn changes<'a>(
    said: impl Fn(&str) -> Option<&'a str>,
) -> Result<(Option<Timestamp>, Option<Timestamp>), ApiError> {
    let time = |name| said(name).and_then(timestamps::parse);
    let (since, before) = (time("changes-since"), time("changes-before"));
    if since
        .zip(before)
        .is_some_and(|(since, before)| since > before)
    {
        return Err(ApiError::BadRequest(
            "The value of changes-since must be less than or equal to changes-before.".to_owned(),
        ));
    }
    Ok((since, before))
}

/// Can no row hold this? A database would refuse to look for it.
pub(super) fn unstorable(text: &str) -> bool {
    text.contains('\0')
}

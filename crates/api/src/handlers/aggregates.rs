//! Host aggregates. Hosts are not grouped here, so there are none; clients that look for them
//! hear so (`contract: actions.md §11`).

use godwit_policy::Target;
use serde_json::json;

use crate::call::Call;
use crate::error::ApiError;
use crate::reply::Reply;
use crate::routes::Answer;
use crate::rules;

/// `GET /os-aggregates`.
pub fn index(call: &Call) -> Answer<'_> {
    Box::pin(async move {
        call.enforce(rules::AGGREGATES_INDEX, &Target::empty())?;
        Reply::json(&json!({ "aggregates": [] }))
    })
}

/// `GET /os-aggregates/{id}`.
pub fn show(call: &Call) -> Answer<'_> {
    Box::pin(async move {
        call.enforce(rules::AGGREGATES_SHOW, &Target::empty())?;
        let id = &call.ids.id;
        if id.parse::<i64>().is_err() {
            let text = "Invalid input received: id must be an integer";
            return Err(ApiError::BadRequest(text.to_owned()));
        }
        Err(ApiError::NotFound(format!(
            "Aggregate {id} could not be found."
        )))
    })
}

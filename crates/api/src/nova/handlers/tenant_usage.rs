//! What projects used over a time: the hours of their servers, and those times their sizes.

use godwit_core::ids::ServerUuid;
use godwit_policy::Target;
use godwit_store::{ServerUsage, UsageListError, UsagePeriod};

use super::{Answer, ApiError, Reply, milestone, paging, rules};
use crate::http::timestamps;
use crate::nova::call::{Call, read_uuid};
use crate::nova::views::tenant_usage::{OrNothing, Period, ProjectUsageView};

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_own(rules::USAGE_LIST)?;
    let period = period(call)?;
    let usages = list(call, period, None).await?;
    let detailed = first(call, "detailed") == Some("1");
    let views = ProjectUsageView::list(&usages, period, detailed);
    let next = next(call, "os-simple-tenant-usage", &usages);
    Reply::page("tenant_usages", views.into_iter(), next)
}

pub async fn show(call: &Call) -> Answer {
    let project = &call.ids.id;
    call.caller
        .enforce(rules::USAGE_SHOW, &Target::of_project(Some(project)))?;
    let period = period(call)?;
    let usages = list(call, period, Some(project.clone())).await?;
    let view = ProjectUsageView::list(&usages, period, true).pop();
    let collection = format!("os-simple-tenant-usage/{project}");
    let view = view.map_or(OrNothing::Nothing {}, OrNothing::Something);
    let next = next(call, &collection, &usages);
    Reply::linked("tenant_usage", view, "tenant_usage_links", next)
}

/// The first value of a parameter that has any: here it counts, and not the last.
fn first<'a>(call: &'a Call, name: &'a str) -> Option<&'a str> {
    call.query.all(name).find(|value| !value.is_empty())
}

fn period(call: &Call) -> Result<Period, ApiError> {
    let now = call.state.clock.now();
    let time = |name| {
        let read = |text| timestamps::parse_local(text).ok_or_else(invalid_time);
        first(call, name).map(read).transpose()
    };
    let (start, end) = (time("start")?, time("end")?);
    let (from, until) = (start.unwrap_or(now), end.unwrap_or(now));
    // Where nothing is asked, the time is now.
    if from >= until && (start.is_some() || end.is_some()) {
        let text = "Invalid start time. The start time cannot occur after the end time.";
        return Err(ApiError::BadRequest(text.to_owned()));
    }
    let until = until.min(now);
    Ok(Period { from, until, now })
}

fn invalid_time() -> ApiError {
    let text = "Invalid datetime string: Datetime is in invalid format";
    ApiError::BadRequest(text.to_owned())
}

async fn list(
    call: &Call,
    period: Period,
    project_id: Option<String>,
) -> Result<Vec<ServerUsage>, ApiError> {
    let no_such_marker =
        |marker| ApiError::BadRequest(format!("Marker {marker} could not be found."));
    let marker = call.query.last("marker");
    let uuid = marker.map(|text| {
        let uuid = read_uuid(text).map(ServerUuid);
        uuid.ok_or_else(|| no_such_marker(text))
    });
    let asked = UsagePeriod {
        from: period.from,
        until: period.until,
        project_id,
        limit: paging::limit(call),
        marker: uuid.transpose()?,
    };
    let found = call.state.store.server_usage_list(asked).await;
    found.map_err(|error| match error {
        UsageListError::MarkerNotFound => no_such_marker(marker.unwrap_or_default()),
        UsageListError::Store(error) => error.into(),
    })
}

fn next(call: &Call, collection: &str, usages: &[ServerUsage]) -> crate::nova::views::Next {
    let last = usages.last().map(|usage| usage.uuid.to_string());
    let last = last.filter(|_| call.version >= milestone::USAGE_PAGES);
    paging::next(call, collection, usages.len(), last)
}

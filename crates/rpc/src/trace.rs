//! A call is a part of its caller's trace: it carries the place of the caller's span, as HTTP
//! requests do, and what it asks for is done in a span below that.

use std::str::FromStr as _;

use godwit_core::trace::TraceContext;
use tonic::Request;
use tonic::metadata::AsciiMetadataValue;
use tracing::{Span, info_span};

/// The metadata key of the caller's span, which is W3C's.
const TRACE_HEADER: &str = "traceparent";

/// Lets the called side know which span we are in, if anybody wants to know.
pub(crate) fn name<T>(request: &mut Request<T>) {
    let Some(trace) = godwit_telemetry::current() else {
        return;
    };
    if let Ok(value) = AsciiMetadataValue::try_from(trace.to_string()) {
        request.metadata_mut().insert(TRACE_HEADER, value);
    }
}

/// What a call is performed in: a span below the caller's, and none for a caller who names none.
pub(crate) fn span<T>(request: &Request<T>, call: &'static str) -> Span {
    let named = request.metadata().get(TRACE_HEADER);
    let named = named.and_then(|value| TraceContext::from_str(value.to_str().ok()?).ok());
    if named.is_none() {
        return Span::none();
    }
    let span = info_span!("call", call);
    godwit_telemetry::continue_from(&span, named);
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_no_span_gets_none() {
        let mut request = Request::new(());
        name(&mut request);
        assert!(request.metadata().is_empty());
        for text in ["", "00-1-2-3"] {
            let value = AsciiMetadataValue::try_from(text).unwrap();
            request.metadata_mut().insert(TRACE_HEADER, value);
            assert!(span(&request, "start").is_none(), "{text}");
        }
    }
}

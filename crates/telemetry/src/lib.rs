//! Spans that go on in other processes.
//!
//! ```text
//!   request ──► span ──current──► effect in the outbox, call to an agent, an agent's journal
//!                                      │
//!                     span ◄──continue_from
//! ```
//!
//! A span is a process's own and ends with it; its place in a trace can be written down, and
//! another process, or the same one started again, makes spans below it. Only those that ended are
//! recorded, so what is to outlive a process goes on from a span of somebody else, not from one
//! that is open.
//!
//! [`exemplars`] keep beside metrics which spans are behind them.
//!
//! Which crates record spans, and where to, is for the binary to say. Where nobody does, or without
//! the feature `traces`, no span has a place.

#![warn(missing_docs)]

pub mod exemplars;

use godwit_core::trace::TraceContext;
use tracing::Span;

/// Where the span that we are in stands in its trace; `None` where nobody traces.
pub fn current() -> Option<TraceContext> {
    recorded::place(&Span::current())
}

/// Makes `span` one below `parent`. It has to be new: once it was entered it has its place.
pub fn continue_from(span: &Span, parent: Option<TraceContext>) {
    if let Some(parent) = parent {
        recorded::put_below(span, parent);
    }
}

#[cfg(feature = "traces")]
mod recorded {
    use godwit_core::trace::TraceContext;
    use opentelemetry::Context;
    use opentelemetry::trace::{
        SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    };
    use tracing::Span;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    pub(super) fn place(span: &Span) -> Option<TraceContext> {
        let context = span.context();
        let span = context.span();
        let place = span.span_context();
        TraceContext::new(
            u128::from_be_bytes(place.trace_id().to_bytes()),
            u64::from_be_bytes(place.span_id().to_bytes()),
            place.trace_flags().to_u8(),
        )
    }

    pub(super) fn put_below(span: &Span, parent: TraceContext) {
        let parent = SpanContext::new(
            TraceId::from_bytes(parent.trace().to_be_bytes()),
            SpanId::from_bytes(parent.span().to_be_bytes()),
            TraceFlags::new(parent.flags()),
            true,
            TraceState::default(),
        );
        // It fails where nobody records this span, which has no place then.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

#[cfg(not(feature = "traces"))]
mod recorded {
    use godwit_core::trace::TraceContext;
    use tracing::Span;

    pub(super) fn place(_: &Span) -> Option<TraceContext> {
        None
    }

    pub(super) fn put_below(_: &Span, _: TraceContext) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nobody_traces_there_is_no_place() {
        let span = tracing::info_span!("any");
        continue_from(&span, TraceContext::new(1, 2, 1));
        assert_eq!(span.in_scope(current), None);
    }
}

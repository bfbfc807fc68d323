//! The place of a span among those of its trace, as W3C's `traceparent` writes it. It is what
//! crosses from one process to the next: with a request, with an effect in the outbox, with a
//! command, in an agent's journal.
//!
//! ```text
//!   00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
//!      trace                            span             flags
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The bit of the flags that says that the trace is recorded.
const SAMPLED: u8 = 1;

/// A span, by its trace's id and its own, neither of which is 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TraceContext {
    trace: u128,
    span: u64,
    flags: u8,
}

/// A text that names no span.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no traceparent as W3C's Trace Context has it")]
pub struct InvalidTraceContext;

impl TraceContext {
    /// `None` where one of the ids is 0, which names nothing.
    pub const fn new(trace: u128, span: u64, flags: u8) -> Option<Self> {
        if trace == 0 || span == 0 {
            return None;
        }
        Some(Self { trace, span, flags })
    }

    /// The trace.
    pub const fn trace(self) -> u128 {
        self.trace
    }

    /// The span.
    pub const fn span(self) -> u64 {
        self.span
    }

    /// What else is known of the trace; see [`Self::is_sampled`].
    pub const fn flags(self) -> u8 {
        self.flags
    }

    /// Is the trace recorded, and not only passed on?
    pub const fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, span, flags } = self;
        write!(f, "00-{trace:032x}-{span:016x}-{flags:02x}")
    }
}

impl From<TraceContext> for String {
    fn from(context: TraceContext) -> Self {
        context.to_string()
    }
}

/// A number in so many digits; only small letters are digits here.
fn number<T: TryFrom<u128>>(part: Option<&str>, digits: usize) -> Result<T, InvalidTraceContext> {
    let is_digit = |it: u8| matches!(it, b'0'..=b'9' | b'a'..=b'f');
    let number = part
        .filter(|it| it.len() == digits && it.bytes().all(is_digit))
        .and_then(|it| u128::from_str_radix(it, 16).ok());
    number
        .and_then(|it| T::try_from(it).ok())
        .ok_or(InvalidTraceContext)
}

impl FromStr for TraceContext {
    type Err = InvalidTraceContext;

    fn from_str(text: &str) -> Result<Self, InvalidTraceContext> {
        let mut parts = text.split('-');
        let version: u8 = number(parts.next(), 2)?;
        let trace = number(parts.next(), 32)?;
        let span = number(parts.next(), 16)?;
        let flags = number(parts.next(), 2)?;
        // Later versions may say more behind it, and there will be no version 255.
        let is_whole = parts.next().is_none() || version > 0;
        if version == u8::MAX || !is_whole {
            return Err(InvalidTraceContext);
        }
        Self::new(trace, span, flags).ok_or(InvalidTraceContext)
    }
}

impl TryFrom<String> for TraceContext {
    type Error = InvalidTraceContext;

    fn try_from(text: String) -> Result<Self, InvalidTraceContext> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn it_is_written_as_it_is_read() {
        let context: TraceContext = TEXT.parse().unwrap();
        assert_eq!(context.trace(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(context.span(), 0x00f0_67aa_0ba9_02b7);
        assert!(context.is_sampled());
        assert_eq!(context.to_string(), TEXT);
        let json = serde_json::to_string(&context).unwrap();
        assert_eq!(json, format!("\"{TEXT}\""));
        assert_eq!(
            serde_json::from_str::<TraceContext>(&json).unwrap(),
            context
        );
        let unsampled: TraceContext = TEXT.replace("-01", "-00").parse().unwrap();
        assert!(!unsampled.is_sampled());
    }

    #[test]
    fn what_names_no_span_is_refused() {
        for text in [
            "",
            "00",
            &TEXT[..54],
            &format!("{TEXT}-"),
            &format!("{TEXT}-00"),
            &format!(" {TEXT}"),
            &TEXT.replacen("00", "ff", 1),
            &TEXT.replacen("00", "0", 1),
            &TEXT.to_uppercase(),
            &TEXT.replace("4bf9", "+bf9"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ] {
            assert_eq!(
                text.parse::<TraceContext>(),
                Err(InvalidTraceContext),
                "{text}"
            );
        }
    }

    #[test]
    fn a_later_version_may_say_more() {
        let known: TraceContext = TEXT.parse().unwrap();
        let later = TEXT.replacen("00", "01", 1);
        for text in [&later, &format!("{later}-what-ever")] {
            assert_eq!(text.parse::<TraceContext>(), Ok(known), "{text}");
        }
    }
}

//! What was found.

use std::fmt;

#[derive(Default)]
pub(super) struct Report(Vec<Finding>);

struct Finding {
    about: String,
    verdict: Verdict,
    text: String,
    /// What to do.
    advice: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    /// It works, and may not be meant.
    Odd,
    Wrong,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good ",
            Self::Odd => "odd  ",
            Self::Wrong => "wrong",
        }
    }
}

impl Report {
    pub(super) fn good(&mut self, about: impl Into<String>, text: impl Into<String>) {
        self.add(Verdict::Good, about.into(), text.into(), None);
    }

    pub(super) fn odd(
        &mut self,
        about: impl Into<String>,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) {
        let advice = Some(advice.into());
        self.add(Verdict::Odd, about.into(), text.into(), advice);
    }

    pub(super) fn wrong(
        &mut self,
        about: impl Into<String>,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) {
        let advice = Some(advice.into());
        self.add(Verdict::Wrong, about.into(), text.into(), advice);
    }

    fn add(&mut self, verdict: Verdict, about: String, text: String, advice: Option<String>) {
        self.0.push(Finding {
            about,
            verdict,
            text,
            advice,
        });
    }

    /// Is anything wrong?
    pub(super) fn is_bad(&self) -> bool {
        self.0.iter().any(|it| it.verdict == Verdict::Wrong)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.0 {
            let verdict = finding.verdict.as_str();
            writeln!(f, "{verdict} {}: {}", finding.about, finding.text)?;
            if let Some(advice) = &finding.advice {
                writeln!(f, "      {advice}")?;
            }
        }
        if self.is_bad() {
            return Ok(());
        }
        writeln!(f, "nothing is wrong")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wrong_is_bad() {
        let mut report = Report::default();
        report.good("database", "it answers");
        report.odd("agent host-1", "it is disabled", "enable it");
        assert!(!report.is_bad());
        assert_eq!(
            report.to_string(),
            "good  database: it answers\n\
             odd   agent host-1: it is disabled\n      enable it\n\
             nothing is wrong\n"
        );
        report.wrong("agent host-2", "unreachable", "start it");
        assert!(report.is_bad());
        let text = report.to_string();
        assert!(
            text.ends_with("wrong agent host-2: unreachable\n      start it\n"),
            "{text}"
        );
    }
}

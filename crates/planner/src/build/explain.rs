//! Why no host takes a server.

use std::collections::BTreeMap;

use super::board::Board;
use crate::reason::{Reason, ReasonCode};
use crate::table::ServerNo;

/// So many servers are explained by all hosts, further ones by as many hosts.
const IN_FULL: usize = 64;

impl Board<'_> {
    /// One reason of each kind, each from the host that has the least against the server.
    pub(super) fn explain(&self, server: ServerNo) -> Vec<Reason> {
        let need = self.need(server, None);
        let full = self.built.blocked.len() < IN_FULL;
        let most = if full { self.hosts.len() } else { IN_FULL };
        let others = self.hosts.numbers().filter(|no| *no != self.at[server]);
        let mut least: BTreeMap<ReasonCode, (usize, Reason)> = BTreeMap::new();
        for no in others.take(most) {
            let mut reasons = self.against(&need, no);
            if reasons.is_empty() {
                let text = format!("{} is emptied by the same plan", self.name(no));
                reasons.push(Reason::new(ReasonCode::Disabled, text));
            }
            let count = reasons.len();
            for mut reason in reasons {
                let known = least.get(&reason.code);
                if known.is_none_or(|(other, _)| count < *other) {
                    if !reason.text.starts_with(self.name(no).as_str()) {
                        reason.text = format!("{}: {}", self.name(no), reason.text);
                    }
                    least.insert(reason.code, (count, reason));
                }
            }
        }
        let mut reasons: Vec<_> = least.into_values().collect();
        reasons.sort_by_key(|(count, _)| *count);
        if reasons.is_empty() {
            let text = "there is no other host".to_owned();
            return vec![Reason::new(ReasonCode::Unknown, text)];
        }
        reasons.into_iter().map(|(_, reason)| reason).collect()
    }
}

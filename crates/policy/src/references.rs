//! How rules hang together: which refer in circles, and which reach a remote check.

use crate::check::{Check, RuleId};

/// For each rule, whether it refers to itself or leads to one that does.
pub(crate) fn circular(rules: &[Check]) -> Vec<bool> {
    // Peel off the rules whose references are all peeled off; what stays has no end.
    let mut open: Vec<usize> = rules.iter().map(|rule| references(rule).len()).collect();
    let referrers = referrers(rules);
    let mut peeled: Vec<usize> = (0..rules.len()).filter(|&rule| open[rule] == 0).collect();
    while let Some(rule) = peeled.pop() {
        for &referrer in &referrers[rule] {
            open[referrer] -= 1;
            if open[referrer] == 0 {
                peeled.push(referrer);
            }
        }
    }
    open.iter().map(|&open| open > 0).collect()
}

/// For each rule, whether evaluating it can come to an `http:` or `https:` check.
pub(crate) fn remote(rules: &[Check]) -> Vec<bool> {
    let mut remote: Vec<bool> = rules.iter().map(has_remote_check).collect();
    let referrers = referrers(rules);
    let mut found: Vec<usize> = (0..rules.len()).filter(|&rule| remote[rule]).collect();
    while let Some(rule) = found.pop() {
        for &referrer in &referrers[rule] {
            if !remote[referrer] {
                remote[referrer] = true;
                found.push(referrer);
            }
        }
    }
    remote
}

fn has_remote_check(rule: &Check) -> bool {
    let mut found = false;
    rule.walk(&mut |check| found |= matches!(check, Check::Remote(_)));
    found
}

/// The rules that `rule` names, each time that it does.
fn references(rule: &Check) -> Vec<RuleId> {
    let mut references = Vec::new();
    rule.walk(&mut |check| {
        if let Check::Rule(id) = check {
            references.push(*id);
        }
    });
    references
}

fn referrers(rules: &[Check]) -> Vec<Vec<usize>> {
    let mut referrers = vec![Vec::new(); rules.len()];
    for (referrer, rule) in rules.iter().enumerate() {
        for id in references(rule) {
            referrers[id.0].push(referrer);
        }
    }
    referrers
}

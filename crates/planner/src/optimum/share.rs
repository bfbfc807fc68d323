//! Ways to share links.

use std::collections::HashMap;

use crate::fleet::Fleet;
use crate::table::HostNo;

/// Different rates of the streams: for each order of precedence, and evenly.
pub(super) fn all(fleet: &Fleet, streams: &[(HostNo, HostNo)]) -> Vec<Vec<f64>> {
    let mut found = vec![evenly(fleet, streams)];
    let first = Links::new(fleet, streams);
    let rates = vec![None; streams.len()];
    precedences(streams, &first, &rates, &mut found);
    found
}

#[derive(Clone)]
struct Links {
    /// What each still carries: the host, and whether it sends.
    left: HashMap<(HostNo, bool), f64>,
    streams: HashMap<HostNo, f64>,
}

impl Links {
    fn new(fleet: &Fleet, streams: &[(HostNo, HostNo)]) -> Self {
        let (mut left, mut most) = (HashMap::new(), HashMap::new());
        for end in streams.iter().flat_map(|it| Self::ends(*it)) {
            let link = fleet.hosts()[end.0].link;
            left.insert(end, link.bytes_per_second as f64);
            most.insert(end.0, link.stream_bytes_per_second as f64);
        }
        Self {
            left,
            streams: most,
        }
    }

    fn ends((from, to): (HostNo, HostNo)) -> [(HostNo, bool); 2] {
        [(from, true), (to, false)]
    }

    /// What one stream may have at most.
    fn most(&self, stream: (HostNo, HostNo)) -> f64 {
        let of = |(host, sends)| {
            let one = self.streams.get(&host).copied().unwrap_or_default();
            one.min(self.left.get(&(host, sends)).copied().unwrap_or_default())
        };
        let [from, to] = Self::ends(stream);
        of(from).min(of(to))
    }

    fn take(&mut self, stream: (HostNo, HostNo), rate: f64) {
        for end in Self::ends(stream) {
            if let Some(left) = self.left.get_mut(&end) {
                *left -= rate;
            }
        }
    }
}

fn precedences(
    streams: &[(HostNo, HostNo)],
    links: &Links,
    rates: &[Option<f64>],
    found: &mut Vec<Vec<f64>>,
) {
    let mut any = false;
    for (no, stream) in streams.iter().enumerate() {
        let rate = links.most(*stream);
        let Some(None) = rates.get(no) else { continue };
        if rate <= 1.0 {
            continue;
        }
        any = true;
        let (mut links, mut rates) = (links.clone(), rates.to_vec());
        links.take(*stream, rate);
        if let Some(place) = rates.get_mut(no) {
            *place = Some(rate);
        }
        precedences(streams, &links, &rates, found);
    }
    if !any {
        let rates: Vec<_> = rates.iter().map(|it| it.unwrap_or_default()).collect();
        if !found.contains(&rates) {
            found.push(rates);
        }
    }
}

/// The same for all, as far as the narrowest link of each goes.
fn evenly(fleet: &Fleet, streams: &[(HostNo, HostNo)]) -> Vec<f64> {
    let links = Links::new(fleet, streams);
    let mut counts: HashMap<(HostNo, bool), f64> = HashMap::new();
    for end in streams.iter().flat_map(|it| Links::ends(*it)) {
        *counts.entry(end).or_default() += 1.0;
    }
    let rate = |stream: &(HostNo, HostNo)| {
        let shares = Links::ends(*stream).map(|end| {
            let left = links.left.get(&end).copied().unwrap_or_default();
            left / counts.get(&end).copied().unwrap_or(1.0)
        });
        links.most(*stream).min(shares[0]).min(shares[1])
    };
    streams.iter().map(rate).collect()
}

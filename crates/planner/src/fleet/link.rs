//! The network that moves use.

use godwit_core::host::link;

/// What it carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// In each direction.
    pub bytes_per_second: u64,
    /// What one stream achieves at most, as measured.
    pub stream_bytes_per_second: u64,
}

impl Link {
    /// What is assumed of a host that does not say: 10 Gbit/s.
    pub const ASSUMED: Self = Self::of_whole(1_250_000_000);

    /// One that a single stream fills.
    pub const fn of_whole(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second,
            stream_bytes_per_second: bytes_per_second,
        }
    }

    /// What one stream carries: no more than the whole link.
    pub fn of_one_stream(self) -> u64 {
        self.stream_bytes_per_second.min(self.bytes_per_second)
    }

    /// What the moves of a host use that reports these networks. A rate of 0 says nothing: no
    /// network of a host that reports it carries nothing.
    pub fn of_moves(links: &[link::Link]) -> Self {
        let used = link::of_moves(links);
        let known = |rate: fn(&link::Link) -> Option<u64>| used.and_then(rate).filter(|it| *it > 0);
        let stream = known(|it| it.stream_bytes_per_second);
        let all = known(|it| it.bytes_per_second);
        // One stream shows what a link carries at least.
        let all = all.unwrap_or(Self::ASSUMED.bytes_per_second.max(stream.unwrap_or(0)));
        Self {
            bytes_per_second: all,
            stream_bytes_per_second: stream.unwrap_or(all).min(all),
        }
    }

    /// The same where a stream was seen to achieve so much, whatever was said.
    pub fn with_stream_seen(self, seen: Option<u64>) -> Self {
        let stream = seen.filter(|rate| *rate > 0);
        Self {
            stream_bytes_per_second: stream.map_or(self.stream_bytes_per_second, |it| {
                it.min(self.bytes_per_second)
            }),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use godwit_core::host::link::LinkRole;

    use super::*;

    fn link(role: LinkRole, all: Option<u64>, stream: Option<u64>) -> link::Link {
        link::Link {
            name: "eth0".to_owned(),
            role,
            bytes_per_second: all,
            stream_bytes_per_second: stream,
        }
    }

    #[test]
    fn a_host_that_does_not_say_is_taken_for_an_ordinary_one() {
        assert_eq!(Link::of_moves(&[]), Link::ASSUMED);
        let storage = link(LinkRole::Storage, Some(1), Some(1));
        assert_eq!(Link::of_moves(&[storage]), Link::ASSUMED);
        for unknown in [None, Some(0)] {
            let said = link(LinkRole::Migration, unknown, unknown);
            assert_eq!(Link::of_moves(&[said]), Link::ASSUMED);
        }
    }

    #[test]
    fn what_was_seen_of_a_stream_counts_and_not_what_was_said() {
        let link = Link::of_whole(500);
        let streams = [None, Some(0), Some(200), Some(900)]
            .map(|seen| link.with_stream_seen(seen).stream_bytes_per_second);
        assert_eq!(streams, [500, 500, 200, 500]);
    }

    #[test]
    fn what_is_known_of_the_network_for_migrations_counts() {
        let of = |all, stream| {
            Link::of_moves(&[
                link(LinkRole::Management, Some(1), Some(1)),
                link(LinkRole::Migration, all, stream),
            ])
        };
        let rates = |all, stream| Link {
            bytes_per_second: all,
            stream_bytes_per_second: stream,
        };
        assert_eq!(of(Some(500), None), rates(500, 500));
        assert_eq!(of(Some(500), Some(200)), rates(500, 200));
        assert_eq!(of(Some(500), Some(900)), rates(500, 500));
        let assumed = Link::ASSUMED.bytes_per_second;
        assert_eq!(of(None, Some(200)), rates(assumed, 200));
        assert_eq!(of(None, Some(assumed * 2)), rates(assumed * 2, assumed * 2));
    }
}

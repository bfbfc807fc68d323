//! What each kind of discrepancy means to an operator, and what gets out of it.

use super::DiscrepancyKind;

impl DiscrepancyKind {
    /// What is odd, and what of it Nova's API shows.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::SeenTwice => "two hosts execute the server; Nova's API shows the recorded one",
            Self::SeenNowhere => {
                "no host has the server, though its recorded host was heard; shown with \
                 power_state 0"
            }
            Self::SeenElsewhere => {
                "another host has the server as well, or alone while its own is silent; \
                 host_status shows the silence"
            }
            Self::MovedByHand => "somebody moved the server; the record followed",
            Self::Overdue => "a move should have ended; shown in the status that it has",
            Self::SourceNotClean => {
                "a move ended or was taken over, and its source may keep something of the \
                 server; not shown"
            }
            Self::DestinationNotClean => {
                "a move ended or was taken over, and its destination may keep something of the \
                 server; not shown"
            }
            Self::GuestNowhere => {
                "a move ended, and the server runs nowhere; shown as ERROR with a fault and \
                 power_state 0"
            }
            Self::HostSilent => {
                "a move waits for a silent host; shown in the status that it has, and by \
                 host_status"
            }
        }
    }

    /// What gets out of it where the records alone do not.
    pub const fn way_out(self) -> &'static str {
        match self {
            Self::SeenTwice => {
                "look which guest is right and stop the other on its hypervisor; a dead host's \
                 service is to be forced down"
            }
            Self::SeenNowhere | Self::GuestNowhere => {
                "nobody knows what became of the guest: define it on its host again; if the host \
                 is lost, force its service down and evacuate the server"
            }
            Self::SeenElsewhere => {
                "remove what should not be there on that host, or bring the recorded host back; a \
                 dead host's service is to be forced down"
            }
            Self::MovedByHand => "nothing is to be done",
            Self::Overdue => "look at both hosts; abort the move, or wait",
            Self::SourceNotClean | Self::DestinationNotClean => {
                "bring the host back: it is cleaned as soon as it is heard, unless what it has \
                 executes"
            }
            Self::HostSilent => "bring the host back; if it is dead, force its service down",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_line_for_every_kind() {
        let page = include_str!("../../../../docs/discrepancies.md");
        for kind in DiscrepancyKind::ALL {
            assert!(
                page.contains(&format!("| `{kind}` |")),
                "no line for {kind}"
            );
            assert!(!kind.meaning().is_empty() && !kind.way_out().is_empty());
        }
    }
}

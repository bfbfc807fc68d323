//! Clients and servers talk to each other: every call, over each transport, between all
//! releases, and with certificates that are wrong on purpose.

mod calls;
mod certificates;
mod parties;
mod versions;

//! Ports for servers that are told theirs, or are started again where they were.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};

/// Below those that the kernel gives to whoever connects. One of these is not safe while its server
/// is down: somebody else may be given it, even who tries to connect to that server, and is then
/// connected with itself.
const PORTS: std::ops::Range<u16> = 10_000..32_768;

/// More than ports can be in use.
const TRIES: usize = 1_000;

/// What keeps other tests from our ports, as long as this process lives: nobody here speaks UDP.
static RESERVED: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// A port of the loopback that nobody listens on, and that nobody else gets from here while this
/// process lives.
///
/// # Errors
/// Nothing was free.
pub fn free_port() -> Result<u16> {
    for _ in 0..TRIES {
        // Anything random does.
        let [high, low, ..] = RandomState::new().hash_one(()).to_ne_bytes();
        let port = PORTS.start + u16::from_ne_bytes([high, low]) % (PORTS.end - PORTS.start);
        let Ok(reservation) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) else {
            continue;
        };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
            reserved.push(reservation);
            return Ok(port);
        }
    }
    bail!("no port is free")
}

/// [`free_port`], as an address.
///
/// # Errors
/// As [`free_port`].
pub fn free_address() -> Result<SocketAddr> {
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nobody_gets_a_port_twice_or_one_that_the_kernel_gives_away() {
        let ports: BTreeSet<_> = (0..500).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 500);
        assert!(ports.iter().all(|port| PORTS.contains(port)));
    }
}

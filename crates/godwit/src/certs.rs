//! `godwit certs`: an authority, and certificates for the conductors and agents of a small site.
//!
//! ```text
//!   DIR/ca.key ──signs──► OUT/NAME.pem, OUT/NAME.key
//!   DIR/ca.pem ──copied─► OUT/ca.pem: whom its owner trusts
//! ```
//!
//! While the authority is being replaced, DIR/ca.pem holds both, DIR/signing.pem the one that signs,
//! and DIR/next.pem and DIR/next.key one that does not yet.
//!
//! Sites that have an authority of their own let that sign, and need none of this.

#[cfg(feature = "certificates")]
mod make;
#[cfg(feature = "certificates")]
mod rotate;

#[cfg(feature = "certificates")]
pub(crate) use self::make::run;

/// What makes certificates is nothing that trying Godwit needs.
#[cfg(not(feature = "certificates"))]
pub(crate) fn run(_: &crate::cli::Certs) -> anyhow::Result<std::process::ExitCode> {
    anyhow::bail!(
        "this godwit was built without certificates; build it with `cargo build --release \
         --features certificates`"
    )
}

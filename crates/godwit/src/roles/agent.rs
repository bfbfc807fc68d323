//! The role `agent`.

#[cfg(feature = "libvirt")]
mod real;

#[cfg(feature = "libvirt")]
pub(crate) use self::real::run;

/// Without a driver for real hypervisors there is nothing to serve: simulated hosts live together
/// in one process, which is all they can move within.
#[cfg(not(feature = "libvirt"))]
pub(crate) async fn run(_: &crate::config::Config) -> anyhow::Result<()> {
    anyhow::bail!(
        "this godwit was built without libvirt; build it with `cargo build --release --features \
         libvirt`"
    )
}

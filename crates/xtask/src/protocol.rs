//! The protocol between conductors and agents as Rust: messages, clients and servers.
//!
//! It is kept with the sources, so that nobody who builds Godwit has to build what writes it. protox
//! reads the protocol, so that nobody needs protoc either.

use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Where the protocol is.
const DIRECTORY: &str = "crates/rpc/proto";
/// What is written.
pub(crate) const GENERATED: &str = "crates/rpc/proto/godwit.v1.rs";

const SERVICES: [&str; 2] = ["godwit/v1/agent.proto", "godwit/v1/conductor.proto"];

pub(crate) fn write(root: &Path) -> Result<()> {
    generate(root, &root.join(DIRECTORY))
}

/// Fails when it is not what would be written.
pub(crate) fn check(root: &Path) -> Result<()> {
    let scratch = tempfile::tempdir().context("there is no place for a file")?;
    generate(root, scratch.path())?;
    let path = root.join(GENERATED);
    let name = path.file_name().context("a directory was generated")?;
    let read = |path: &Path| {
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    ensure!(
        read(&path)? == read(&scratch.path().join(name))?,
        "{} is not what the protocol says; run `cargo xtask protocol`",
        path.display()
    );
    Ok(())
}

fn generate(root: &Path, into: &Path) -> Result<()> {
    let files = protox::compile(SERVICES, [root.join(DIRECTORY)])?;
    tonic_prost_build::configure()
        .out_dir(into)
        .compile_fds(files)
        .with_context(|| format!("cannot write to {}", into.display()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_code_says_what_the_protocol_says() {
        super::check(&crate::workspace_root().unwrap()).unwrap();
    }
}

//! Compiles the protocol. protox parses it, so that nobody needs protoc.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(
        ["godwit/v1/agent.proto", "godwit/v1/conductor.proto"],
        ["proto"],
    )?;
    let descriptors = PathBuf::from(std::env::var("OUT_DIR")?).join("descriptors.bin");
    std::fs::write(
        descriptors,
        prost::Message::encode_to_vec(&without_comments(&files)),
    )?;
    tonic_prost_build::configure().compile_fds(files)?;
    Ok(())
}

/// What the fingerprint covers: the protocol, not what is said about it.
fn without_comments(files: &prost_types::FileDescriptorSet) -> prost_types::FileDescriptorSet {
    let mut files = files.clone();
    for file in &mut files.file {
        file.source_code_info = None;
    }
    files
}

//! Makes code, and what reflection tells, of the protocols in `proto/`.

use prost::Message as _;
use std::error::Error;
use std::path::PathBuf;

const FILES: [&str; 2] = ["envoy/service/ratelimit/v3/rls.proto", "envoy/service/accesslog/v3/als.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let files = protox::compile(FILES, ["proto"])?;
    std::fs::write(out.join("envoy.bin"), files.encode_to_vec())?;
    tonic_prost_build::configure().build_client(false).include_file("protocols.rs").compile_fds(files)?;
    Ok(())
}

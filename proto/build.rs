//! Compiles the contract without a system `protoc`: messages, clients, servers, JSON forms, descriptors.

use std::{env, error::Error, fs, path::PathBuf};

const PROTOS: [&str; 5] = [
    "dialogue/v1/dialogue.proto",
    "dialogue/v1/gallery.proto",
    "vision/v1/vision.proto",
    "language/v1/language.proto",
    "retrieval/v1/retrieval.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    for proto in PROTOS {
        println!("cargo:rerun-if-changed={proto}");
    }
    let descriptors = protox::compile(PROTOS, ["."])?;
    let bytes = prost::Message::encode_to_vec(&descriptors);
    #[allow(clippy::disallowed_methods)] // cargo's own channel to build scripts
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), &bytes)?;
    tonic_prost_build::configure()
        .bytes(".fondue.dialogue.v1.Image.data")
        .bytes(".fondue.dialogue.v1.FoundImage.data")
        .bytes(".fondue.vision.v1.Image.data")
        .bytes(".fondue.retrieval.v1.Picture.data")
        .codec_path("crate::codec::Codec")
        .compile_fds(descriptors)?;
    pbjson_build::Builder::new().register_descriptors(&bytes)?.build(&[
        ".fondue.dialogue.v1",
        ".fondue.vision.v1",
        ".fondue.language.v1",
        ".fondue.retrieval.v1",
    ])?;
    Ok(())
}

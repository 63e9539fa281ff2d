//! The wire contract: generated messages, clients and servers of `proto/*/v1/*.proto`.
//!
//! The `.proto` files are the documentation of every message. The messages also (de)serialise with serde in
//! protobuf's JSON form. Checked conversions into inner types lie with the service that receives a message.

pub mod codec;

/// All files' descriptors, encoded as a `FileDescriptorSet`: what server reflection serves.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The packages as the generated code expects them: one may name another's messages.
mod packages {
    macro_rules! package {
        ($module:ident, $package:literal) => {
            #[allow(missing_docs, clippy::all, unreachable_pub, rustdoc::all)]
            pub mod $module {
                pub mod v1 {
                    tonic::include_proto!($package);
                    include!(concat!(env!("OUT_DIR"), "/", $package, ".serde.rs"));
                }
            }
        };
    }
    package!(dialogue, "fondue.dialogue.v1");
    package!(vision, "fondue.vision.v1");
    package!(language, "fondue.language.v1");
    package!(retrieval, "fondue.retrieval.v1");
}

/// What a client of the gateway speaks.
#[doc(inline)]
pub use packages::dialogue::v1 as dialogue;
/// Prompts to text and retrieval queries.
#[doc(inline)]
pub use packages::language::v1 as language;
/// Queries to pictures.
#[doc(inline)]
pub use packages::retrieval::v1 as retrieval;
/// Picture files to features.
#[doc(inline)]
pub use packages::vision::v1 as vision;

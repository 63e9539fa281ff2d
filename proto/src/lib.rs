//! The wire contract: generated messages, clients and servers of `proto/*/v1/*.proto`.
//!
//! The `.proto` files are the documentation of every message. The messages also (de)serialise with serde in
//! protobuf's JSON form. Checked conversions into inner types lie with the service that receives a message.

pub mod codec;

/// All files' descriptors, encoded as a `FileDescriptorSet`: what server reflection serves.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

macro_rules! package {
    ($(#[$doc:meta])* $module:ident, $package:literal) => {
        $(#[$doc])*
        #[allow(missing_docs, clippy::all, unreachable_pub, rustdoc::all)]
        pub mod $module {
            tonic::include_proto!($package);
            include!(concat!(env!("OUT_DIR"), "/", $package, ".serde.rs"));
        }
    };
}

package!(
    /// What a client of the gateway speaks.
    dialogue, "fondue.dialogue.v1"
);
package!(
    /// Picture files to features.
    vision, "fondue.vision.v1"
);
package!(
    /// Prompts to text and retrieval queries.
    language, "fondue.language.v1"
);
package!(
    /// Queries to pictures.
    retrieval, "fondue.retrieval.v1"
);

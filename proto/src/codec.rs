//! Protobuf for tonic, with one difference: bytes that are not the message are the sender's fault.
//!
//! tonic's own codec answers `INTERNAL` to a request that does not decode (a string that is not UTF-8, a field
//! of another type). Here that is `INVALID_ARGUMENT`, and prost's message names the field.

use prost::Message;
use tonic::Status;
use tonic::codec::{self, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// Encodes `T`, decodes `U`.
#[derive(Debug)]
pub struct Codec<T, U>(ProstCodec<T, U>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(ProstCodec::default())
    }
}

impl<T, U> codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = StrictDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        codec::Codec::encoder(&mut self.0)
    }

    fn decoder(&mut self) -> Self::Decoder {
        StrictDecoder(codec::Codec::decoder(&mut self.0))
    }
}

/// Decodes `U`; failure is `INVALID_ARGUMENT`.
#[derive(Debug)]
pub struct StrictDecoder<U>(ProstDecoder<U>);

impl<U: Message + Default> Decoder for StrictDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        self.0.decode(src).map_err(|status| Status::invalid_argument(status.message()))
    }

    fn buffer_settings(&self) -> codec::BufferSettings {
        self.0.buffer_settings()
    }
}

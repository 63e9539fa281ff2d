//! TensorBoard's event files: protobuf messages in TensorFlow's record frames.
//!
//! The crate that writes them (`tensorboard-rs`) is of 2023 and brings an old protobuf; three messages and a frame are
//! what there is to it. Source: TensorFlow's `event.proto`, `summary.proto` and `record_writer.cc`.

use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, tag = "2")]
    simple_value: f32,
}

/// The record that a file begins with.
pub(super) fn begin(wall_time: f64) -> Vec<u8> {
    frame(&Event { wall_time, file_version: Some("brain.Event:2".to_owned()), ..Event::default() })
}

/// A record of some numbers of a step.
pub(super) fn scalars(wall_time: f64, step: u64, numbers: &[(&str, f64)]) -> Vec<u8> {
    let scalar =
        |(name, number): &(&str, f64)| Scalar { tag: (*name).to_owned(), simple_value: *number as f32 };
    let summary = Some(Summary { value: numbers.iter().map(scalar).collect() });
    frame(&Event { wall_time, step: i64::try_from(step).unwrap_or(i64::MAX), summary, file_version: None })
}

/// Seconds since 1970.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Length, its checksum, the message, its checksum.
fn frame(event: &Event) -> Vec<u8> {
    let message = event.encode_to_vec();
    let length = (message.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), &message, &masked(&message)].concat()
}

/// CRC-32C, rotated and moved, so that checksums of checksums do not meet.
fn masked(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_as_tensorflow_writes_it() {
        // An empty record of any TFRecord file.
        let empty = frame(&Event::default());
        assert_eq!(empty[..8], [0; 8]);
        assert_eq!(hex(&empty[8..]), "29039807d8ea82a2");
        let record = scalars(1.5, 7, &[("loss", 0.25)]);
        let length = record.len() - 16;
        let event = Event::decode(&record[12..12 + length]).unwrap();
        assert_eq!((event.step, event.wall_time), (7, 1.5));
        let value = &event.summary.unwrap().value[0];
        assert_eq!((value.tag.as_str(), value.simple_value), ("loss", 0.25));
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

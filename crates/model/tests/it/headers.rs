//! Safetensors whose headers lie.

use std::{fs, path::Path};

use fondue_forms::{Values, safetensors};
use fondue_model::{Placement, VisionTower, opt::Opt, weights::unwatched};

use crate::{config_of, refused};

/// A file of this header, with this many bytes after it.
fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

fn tensor(dtype: &str, shape: &str, start: &str, end: &str) -> String {
    format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}"#)
}

#[track_caller]
fn refuse(folder: &Path, bytes: &[u8]) -> String {
    fs::write(folder.join("model.safetensors"), bytes).unwrap();
    let error = refused("model.safetensors", || Opt::survey(folder));
    refused("model.safetensors", || Opt::load(folder, Placement::CPU_F32, &unwatched));
    error
}

#[test]
fn lies_about_lengths_are_told_with_the_file() {
    let folder = config_of("opt");
    let refuse = |bytes: &[u8]| refuse(folder.path(), bytes);
    assert!(refuse(b"").contains("0 bytes"));
    assert!(refuse(b"1234567").contains("7 bytes"));
    // Lengths of the header that are as large as 64 bits allow, or negative if they were signed.
    for length in [u64::MAX, 1 << 63, i64::MAX as u64, 100_000_001, 100_000_000] {
        let bytes = [&length.to_le_bytes()[..], b"{}"].concat();
        assert!(refuse(&bytes).contains(&format!("claims a header of {length} bytes")));
    }
    assert!(refuse(&[&3u64.to_le_bytes()[..], b"{}"].concat()).contains("cut off"));
    // The shipped file without its last byte, and with one more.
    let whole = fs::read(crate::shipped("opt").join("model.safetensors")).unwrap();
    refuse(&whole[..whole.len() - 1]);
    refuse(&[&whole[..], b"\0"].concat());
}

#[test]
fn lies_about_tensors_are_told_with_the_file() {
    let folder = config_of("opt");
    let max = u64::MAX.to_string();
    let headers = [
        // Two that overlap; a hole between two; one that ends before it starts.
        format!(r#"{{"a":{0},"b":{0}}}"#, tensor("F32", "[2]", "0", "8")),
        format!(r#"{{"a":{},"b":{}}}"#, tensor("F32", "[2]", "0", "8"), tensor("F32", "[2]", "4", "12")),
        format!(r#"{{"a":{},"b":{}}}"#, tensor("F32", "[1]", "0", "4"), tensor("F32", "[1]", "8", "12")),
        format!(r#"{{"a":{}}}"#, tensor("F32", "[2]", "8", "0")),
        // Beyond the file, by a little and by all.
        format!(r#"{{"a":{}}}"#, tensor("F32", "[4]", "0", "16")),
        format!(r#"{{"a":{}}}"#, tensor("U8", &format!("[{max}]"), "0", &max)),
        format!(r#"{{"a":{}}}"#, tensor("U8", "[2305843009213693951]", "0", "2305843009213693951")),
        // Shape and bytes differ; the product of the shape overflows, and is 8 again if it wraps.
        format!(r#"{{"a":{}}}"#, tensor("F32", "[3]", "0", "8")),
        format!(r#"{{"a":{}}}"#, tensor("F32", "[]", "0", "8")),
        format!(r#"{{"a":{}}}"#, tensor("F32", "[4294967296,4294967296,2]", "0", "8")),
        format!(r#"{{"a":{}}}"#, tensor("F32", "[9223372036854775809,2]", "0", "8")),
        // Nothing at all, with a side that would be negative as a signed number.
        format!(
            r#"{{"a":{},"b":{}}}"#,
            tensor("F32", &format!("[0,{max}]"), "0", "0"),
            tensor("F32", "[2]", "0", "8")
        ),
        format!(r#"{{"a":{}}}"#, tensor("F32", &format!("[{}2]", "1,".repeat(1000)), "0", "8")),
        // Numbers that are none, or none of these.
        format!(r#"{{"a":{}}}"#, tensor("F32", "[-2]", "0", "8")),
        format!(r#"{{"a":{}}}"#, tensor("F32", "[2]", "-8", "0")),
        format!(r#"{{"a":{}}}"#, tensor("F32", "[2.0]", "0", "8")),
        format!(r#"{{"a":{}}}"#, tensor("F32", r#"["2"]"#, "0", "8")),
        format!(r#"{{"a":{}}}"#, tensor("F32", "[18446744073709551618]", "0", "8")),
        format!(r#"{{"a":{}}}"#, tensor("F99", "[2]", "0", "8")),
        r#"{"a":{"dtype":"F32","shape":[2]}}"#.to_owned(),
        // No object, no text, and far too deep.
        "[]".to_owned(),
        "12345678".to_owned(),
        "\u{0}".repeat(100),
        format!(r#"{{"a":{}"#, r#"{"a":"#.repeat(100_000)),
        "[".repeat(1 << 20),
        format!(r#"{{"a":{{"dtype":"F32","shape":{}"#, "[".repeat(1 << 20)),
    ];
    for header in &headers {
        let error = refuse(folder.path(), &file(header, 8));
        println!("{header:.80}\n    {error}");
    }
    let mut broken = file(r#"{"a":{}}"#, 8);
    broken[10] = 0xff;
    assert!(refuse(folder.path(), &broken).contains("UTF-8"));
}

#[test]
fn a_name_that_is_there_twice_is_refused() {
    let folder = config_of("opt");
    let (one, other) = (tensor("F32", "[2]", "0", "8"), tensor("F32", "[1,2]", "0", "8"));
    let error = refuse(folder.path(), &file(&format!(r#"{{"a":{one},"a":{other}}}"#), 8));
    assert!(error.contains("`a` twice"), "{error}");
    // A long one does not fill the screen.
    let long = "a".repeat(1 << 20);
    refuse(folder.path(), &file(&format!(r#"{{"{long}":{one},"{long}":{other}}}"#), 8));
    refuse(folder.path(), &file(&format!(r#"{{"{long}":{}}}"#, tensor("F32", "[3]", "0", "8")), 8));
    // A name that is spelt in another way.
    let error = refuse(folder.path(), &file(&format!(r#"{{"a":{one},"\u0061":{other}}}"#), 8));
    assert!(error.contains("`a` twice"), "{error}");
}

#[test]
fn types_that_no_weight_has_are_named() {
    let folder = config_of("clip");
    let class = Values::zeros("embeddings.class_embedding", "I64", &[128]);
    safetensors::write(&folder.path().join("model.safetensors"), &[class]).unwrap();
    let load = || VisionTower::load(folder.path(), Placement::CPU_F32, &unwatched);
    let error = refused("model.safetensors", load);
    assert!(error.contains("stored as I64"), "{error}");
}

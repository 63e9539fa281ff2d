//! Any bytes, as a pickle or a torch checkpoint: a value or a typed error, and nothing else.
//!
//! `cargo +nightly fuzz run pickle -- -max_len=65536 -timeout=1 -rss_limit_mb=512`

#![no_main]

use std::path::Path;

use fondue_pickle::{Archive, View};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Archive::from_bytes(Path::new("input"), bytes.to_vec()) {
        Ok(archive) => touch(archive.root()),
        Err(error) => assert!(error.to_string().starts_with("input: ")),
    }
});

/// Asks for everything below a value, by at most so many steps: there may be more ways than time.
fn touch(root: View<'_>) {
    let mut open = vec![root];
    for _ in 0..10_000 {
        let Some(view) = open.pop() else { return };
        let _ = (view.kind(), view.as_str(), view.as_bytes(), view.as_f64(), view.as_bool());
        if let Some(array) = view.as_array() {
            let len = if array.shape.contains(&0) { 0 } else { array.shape.iter().product::<usize>() };
            assert_eq!(array.bytes.len(), len * array.dtype.size());
        }
        if let Some(tensor) = view.as_tensor()
            && let Some(bytes) = tensor.contiguous()
        {
            assert_eq!(bytes.len(), tensor.len() * tensor.dtype.size());
        }
        open.extend(view.as_list().or(view.as_tuple()).iter().flat_map(|items| items.iter()));
        for (key, value) in view.as_dict().iter().flat_map(|dict| dict.iter()) {
            if let Some(name) = key.as_str() {
                assert!(view.get(name).is_some());
            }
            open.extend([key, value]);
        }
    }
}

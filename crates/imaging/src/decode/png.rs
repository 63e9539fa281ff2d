//! PNG files without their colour profiles, which are not applied here (nor by Pillow), but would be decompressed: a few KiB of one
//! can hold hundreds of MiB. Other compressed chunks are left as they are: texts are kept compressed, pixels are bounded by the header.

use std::{borrow::Cow, ops::Range};

/// Of the file, before its first chunk.
const SIGNATURE: usize = 8;
/// Length, kind and checksum of a chunk, beside its data.
const FRAME: usize = 12;

/// The file without its `iCCP` chunks; copied only if there is one.
pub(super) fn without_profile(bytes: &[u8]) -> Cow<'_, [u8]> {
    let (mut kept, mut from) = (Vec::new(), 0);
    for chunk in chunks(bytes).filter(|chunk| bytes[chunk.start + 4..].starts_with(b"iCCP")) {
        kept.extend_from_slice(&bytes[from..chunk.start]);
        from = chunk.end;
    }
    if from == 0 {
        return Cow::Borrowed(bytes);
    }
    kept.extend_from_slice(&bytes[from..]);
    Cow::Owned(kept)
}

/// Where the chunks lie, as far as they are whole.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = SIGNATURE;
    std::iter::from_fn(move || {
        let length = bytes.get(at..at + 4)?;
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        let end = at.checked_add(length)?.checked_add(FRAME).filter(|end| *end <= bytes.len())?;
        let chunk = at..end;
        at = end;
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        [&length, kind, data, b"crc!"].concat()
    }

    #[test]
    fn only_profiles_are_left_out() {
        let head = b"\x89PNG\r\n\x1a\n".to_vec();
        let (first, profile, last) = (chunk(b"IHDR", b"iCCP"), chunk(b"iCCP", b"x"), chunk(b"IEND", b""));
        let plain = [head.clone(), first.clone(), last.clone()].concat();
        assert!(matches!(without_profile(&plain), Cow::Borrowed(same) if same == plain));
        let profiled = [head.clone(), profile.clone(), first.clone(), profile.clone(), last.clone()].concat();
        assert_eq!(*without_profile(&profiled), plain);
        // What is not whole is left to the decoder.
        for n in 0..profiled.len() {
            assert!(profiled.len() - without_profile(&profiled[..n]).len() >= profiled.len() - n);
        }
        let endless = [head, b"\xff\xff\xff\xffiCCP".to_vec()].concat();
        assert_eq!(*without_profile(&endless), endless);
    }
}

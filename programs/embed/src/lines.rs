//! Lines of a file that may hold anything.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use anyhow::{Context, Result};

/// Bytes of one line.
pub(crate) const MAX_LINE: usize = 1 << 20;

/// The lines of a file with their numbers, from 1, or what is wrong with them.
pub(crate) fn numbered(
    path: &Path,
) -> Result<impl Iterator<Item = Result<(u64, Result<String, String>)>> + use<>> {
    let path = path.to_owned();
    let file = File::open(&path).with_context(|| path.display().to_string())?;
    let (mut reader, mut line) = (BufReader::with_capacity(1 << 16, file), 0);
    Ok(std::iter::from_fn(move || {
        line += 1;
        match next(&mut reader) {
            Err(error) => Some(Err(error).with_context(|| path.display().to_string())),
            Ok(bytes) if bytes.is_empty() => None,
            Ok(bytes) if bytes.len() > MAX_LINE => {
                Some(Ok((line, Err(format!("the line has more than {MAX_LINE} bytes")))))
            }
            Ok(bytes) => Some(Ok((line, text(bytes, line)))),
        }
    }))
}

/// With its end; of one that is too long a little more than may be, and the rest is passed over.
fn next(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut bytes)?;
    if bytes.len() > MAX_LINE && bytes.last() != Some(&b'\n') {
        reader.skip_until(b'\n')?;
    }
    Ok(bytes)
}

fn text(mut bytes: Vec<u8>, line: u64) -> Result<String, String> {
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "the line is not UTF-8".to_owned())?;
    // Spreadsheets put a byte order mark before UTF-8.
    if line == 1 && text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

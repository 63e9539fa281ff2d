//! The header of an `.npy` file: a Python literal of three keys, read without Python.

use super::NpyFault;

/// Bytes of a header; those of arrays of numbers have a hundred.
const MAX_HEADER: usize = 1 << 16;

/// What it says.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    /// The type of the numbers, as `<f4`; of records the text of their description.
    pub(super) descr: String,
    pub(super) fortran: bool,
    pub(super) shape: Vec<u64>,
}

/// The header, and where the numbers begin.
pub(super) fn read(file: &[u8]) -> Result<(Header, usize), NpyFault> {
    let rest = file.strip_prefix(b"\x93NUMPY").ok_or(NpyFault::NotNpy)?;
    let (&[major, minor], rest) = rest.split_first_chunk().ok_or(NpyFault::NotNpy)?;
    let cut = NpyFault::Header("the file ends in it");
    let (length, rest) = match major {
        1 => rest.split_first_chunk().map(|(length, rest)| (u16::from_le_bytes(*length).into(), rest)),
        2 | 3 => rest.split_first_chunk().map(|(length, rest)| (u32::from_le_bytes(*length), rest)),
        _ => return Err(NpyFault::Version(major, minor)),
    }
    .ok_or(cut)?;
    let length = length as usize;
    if length > MAX_HEADER {
        return Err(NpyFault::Header("it is too long"));
    }
    let text = rest.get(..length).ok_or(NpyFault::Header("the file ends in it"))?;
    let text = std::str::from_utf8(text).map_err(|_| NpyFault::Header("it is not UTF-8"))?;
    let header = Reader(text).dict()?;
    Ok((header, file.len() - rest.len() + length))
}

/// What is left of the text.
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn dict(mut self) -> Result<Header, NpyFault> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.take('}') {
            let key = self.string()?;
            self.expect(':')?;
            match key {
                "descr" => descr = Some(self.descr()?),
                "fortran_order" => fortran = Some(self.truth()?),
                "shape" => shape = Some(self.tuple()?),
                _ => return Err(NpyFault::Header("it has a key that is not known")),
            }
            if !self.take(',') {
                self.expect('}')?;
                break;
            }
        }
        match (descr, fortran, shape, self.0.trim().is_empty()) {
            (Some(descr), Some(fortran), Some(shape), true) => Ok(Header { descr, fortran, shape }),
            _ => Err(NpyFault::Header("descr, fortran_order and shape are needed, and nothing else")),
        }
    }

    fn take(&mut self, c: char) -> bool {
        let rest = self.0.trim_start().strip_prefix(c);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, c: char) -> Result<(), NpyFault> {
        if self.take(c) { Ok(()) } else { Err(NpyFault::Header("it is no Python dict")) }
    }

    /// A text in quotes, without escapes.
    fn string(&mut self) -> Result<&'a str, NpyFault> {
        let quote = if self.take('"') { '"' } else { self.expect('\'').map(|()| '\'')? };
        let (text, rest) = self.0.split_once(quote).ok_or(NpyFault::Header("a text does not end"))?;
        self.0 = rest;
        Ok(text)
    }

    /// A type; a list describes records, which are none of ours: its text, up to where it ends.
    fn descr(&mut self) -> Result<String, NpyFault> {
        if !self.0.trim_start().starts_with('[') {
            return self.string().map(str::to_owned);
        }
        let (list, rest) = self.0.split_once(']').ok_or(NpyFault::Header("a list does not end"))?;
        self.0 = rest;
        Ok(format!("{}]", list.trim_start()))
    }

    fn truth(&mut self) -> Result<bool, NpyFault> {
        let text = self.0.trim_start();
        let (rest, truth) = match (text.strip_prefix("True"), text.strip_prefix("False")) {
            (Some(rest), _) => (rest, true),
            (_, Some(rest)) => (rest, false),
            _ => return Err(NpyFault::Header("fortran_order is neither True nor False")),
        };
        self.0 = rest;
        Ok(truth)
    }

    fn tuple(&mut self) -> Result<Vec<u64>, NpyFault> {
        self.expect('(')?;
        let mut numbers = Vec::new();
        while !self.take(')') {
            let text = self.0.trim_start();
            let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            numbers.push(text[..end].parse().map_err(|_| NpyFault::Header("shape is no tuple of numbers"))?);
            self.0 = &text[end..];
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(version: u8, text: &str) -> Vec<u8> {
        let mut file = b"\x93NUMPY".to_vec();
        file.extend([version, 0]);
        match version {
            1 => file.extend((text.len() as u16).to_le_bytes()),
            _ => file.extend((text.len() as u32).to_le_bytes()),
        }
        file.extend(text.bytes());
        file
    }

    #[test]
    fn headers_as_numpy_writes_them() {
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 256), }        \n";
        for version in 1..=3 {
            let file = file(version, text);
            let expected = Header { descr: "<f4".into(), fortran: false, shape: vec![3, 256] };
            assert_eq!(read(&file).unwrap(), (expected, file.len()));
        }
        let (header, _) =
            read(&file(1, "{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': True, 'shape': ()}"))
                .unwrap();
        assert_eq!(
            header,
            Header { descr: "[('a', '<f4'), ('b', '|O')]".into(), fortran: true, shape: vec![] }
        );
        assert_eq!(
            read(&file(1, "{'shape': (7,), 'descr': \"<f2\", 'fortran_order': False}")).unwrap().0.shape,
            [7]
        );
    }

    #[test]
    fn headers_that_are_none() {
        for text in [
            "",
            "{}",
            "{'descr': '<f4'}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
            "{'shape': (-1,)}",
            "{'shape': (99999999999999999999,)}",
            "{'descr",
            "{'other': 1}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
        ] {
            assert!(matches!(read(&file(1, text)), Err(NpyFault::Header(_))), "{text}");
        }
        assert!(matches!(read(b"PK\x03\x04"), Err(NpyFault::NotNpy)));
        assert!(matches!(read(&file(4, "{}")), Err(NpyFault::Version(4, 0))));
        assert!(matches!(read(b"\x93NUMPY\x02\x00\xff\xff\xff\xff"), Err(NpyFault::Header(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(version in 1u8..4, text in "[{}()\\[\\],:' 0-9a-zA-Z<|]{0,60}", bytes: Vec<u8>) {
            let _ = read(&file(version, &text));
            let _ = read(&bytes);
            let _ = read(&file(version, &format!("{{'descr': '<f4', 'shape': {text}")));
        }
    }
}

//! Values of any length, joined in one file, with their offsets in another.

use std::path::Path;

use fondue_mapped::Mapped;

use crate::IndexError;

pub(crate) struct Blobs {
    data: Mapped,
    offsets: Mapped,
}

impl Blobs {
    /// Opens `NAME.blob` and `NAME.u64` and checks that every value lies within the file.
    pub(crate) fn open(folder: &Path, name: &str, rows: usize) -> Result<Self, IndexError> {
        let open = |extension: &str| {
            let path = folder.join(format!("{name}.{extension}"));
            let mapped = Mapped::open(&path).map_err(IndexError::io(&path));
            mapped.map(|mapped| (mapped, path))
        };
        let ((data, _), (offsets, path)) = (open("blob")?, open("u64")?);
        let damaged = |reason: String| IndexError::damaged(&path, reason);
        let all: &[u64] = offsets.as_slice().map_err(|error| damaged(error.to_string()))?;
        if all.len() != rows + 1 {
            return Err(damaged(format!("{} offsets, {rows} rows need {}", all.len(), rows + 1)));
        }
        if all.first() != Some(&0) || all.last() != Some(&(data.bytes().len() as u64)) || !all.is_sorted() {
            return Err(damaged(format!("the offsets do not part {} bytes", data.bytes().len())));
        }
        Ok(Self { data, offsets })
    }

    /// The files, under their names' extensions.
    pub(crate) fn files(&self) -> [(&'static str, &Mapped); 2] {
        [("blob", &self.data), ("u64", &self.offsets)]
    }

    pub(crate) fn get(&self, row: usize) -> Option<&[u8]> {
        let offsets: &[u64] = self.offsets.as_slice().ok()?;
        let (start, end) = (*offsets.get(row)?, *offsets.get(row + 1)?);
        self.data.bytes().get(start as usize..end as usize)
    }
}

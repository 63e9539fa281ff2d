//! The comments of a `.proto` file, by the path of what they stand before.

use std::collections::HashMap;

use prost_types::FileDescriptorProto;

/// Comments of one file.
pub(super) struct Comments(HashMap<Vec<i32>, String>);

impl Comments {
    pub(super) fn of(file: &FileDescriptorProto) -> Self {
        let locations = file.source_code_info.iter().flat_map(|info| &info.location);
        let told = locations.filter_map(|location| {
            let text = location.leading_comments.as_deref()?;
            // protoc's convention: one blank after the slashes belongs to them.
            let lines: Vec<_> = text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
            Some((location.path.clone(), lines.join("\n").trim().to_owned()))
        });
        Self(told.collect())
    }

    /// Empty where nothing is said.
    pub(super) fn at(&self, path: &[i32]) -> String {
        self.0.get(path).cloned().unwrap_or_default()
    }
}

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
            let lines = text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
            Some((location.path.clone(), markdown(lines)))
        });
        Self(told.collect())
    }

    /// Empty where nothing is said.
    pub(super) fn at(&self, path: &[i32]) -> String {
        self.0.get(path).cloned().unwrap_or_default()
    }
}

/// A comment as Markdown: what is indented, and goes on with no list, stays as it is laid out.
fn markdown<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let (mut out, mut listed, mut laid_out) = (Vec::new(), false, false);
    for line in lines {
        listed = line.starts_with("- ") || (listed && !line.is_empty());
        let indented = line.starts_with("  ") && !listed;
        if indented != laid_out {
            out.push(if indented { "\n```text" } else { "```" });
            laid_out = indented;
        }
        out.push(line);
    }
    if laid_out {
        out.push("```");
    }
    out.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_stay_as_they_are_laid_out_and_lists_are_lists() {
        assert_eq!(
            markdown("Codes:\n  A  one\n  B  two\nEnd.".lines()),
            "Codes:\n\n```text\n  A  one\n  B  two\n```\nEnd."
        );
        assert_eq!(markdown("So:\n- one\n  more\n- two".lines()), "So:\n- one\n  more\n- two");
    }
}

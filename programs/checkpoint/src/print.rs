//! A report as people read it.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::Value;

use crate::report::{Facts, Part, Report, Tensors};

/// Entries of a long list that are shown without `--verbose`.
const SHOWN: usize = 6;

/// The whole report; it ends with `ok` or with all faults.
pub(crate) fn text(report: &Report, verbose: bool) -> String {
    let mut out = String::new();
    for part in &report.parts {
        of_part(&mut out, part, verbose);
        out.push('\n');
    }
    if !report.whole.0.is_empty() {
        line(&mut out, "together", &facts(&report.whole));
        out.push('\n');
    }
    if report.ok {
        out.push_str("ok\n");
        return out;
    }
    let n = report.faults.len();
    put(&mut out, format_args!("{n} {}:\n", if n == 1 { "fault" } else { "faults" }));
    for fault in &report.faults {
        put(&mut out, format_args!("- {}: {}\n    {}\n", fault.place.display(), fault.what, fault.remedy));
    }
    out
}

fn of_part(out: &mut String, part: &Part, verbose: bool) {
    put(out, format_args!("{} in {}\n", part.kind, part.folder.display()));
    let files = part.files.iter().map(|file| format!("{} ({}, {})", file.name, size(file.bytes), file.form));
    list(out, "files", files, verbose);
    if !part.architecture.0.is_empty() {
        line(out, "architecture", &facts(&part.architecture));
    }
    if let Some(tensors) = &part.tensors {
        of_tensors(out, tensors, verbose);
    }
    if let Some(values) = &part.values {
        let bad = values.not_finite.iter().map(|tensor| format!("{} ({})", tensor.name, tensor.values));
        if values.not_finite.is_empty() {
            line(out, "values", &format!("{} read, all are finite numbers", size(values.read)));
        } else {
            list(out, "not finite", bad, verbose);
        }
    }
    for (name, found) in [("tokenizer", &part.tokenizer), ("preprocessing", &part.preprocessing)] {
        if let Some(found) = found {
            line(out, name, &facts(found));
        }
    }
    if let Some(fingerprint) = &part.fingerprint {
        line(out, "fingerprint", fingerprint);
    }
    for remark in &part.remarks {
        line(out, "remark", remark);
    }
}

fn of_tensors(out: &mut String, tensors: &Tensors, verbose: bool) {
    let dtypes: Vec<String> = tensors
        .dtypes
        .iter()
        .map(|of| format!("{} tensors of {} in {}", of.tensors, size(of.bytes), of.dtype))
        .collect();
    let dtypes = dtypes.join(", ");
    let parameters = grouped(tensors.parameters);
    line(out, "tensors", &format!("{} found, {parameters} parameters: {dtypes}", tensors.found));
    let shaped = |name: &str, shape: &[i64]| format!("{name} {shape:?}");
    list(out, "missing", tensors.missing.iter().map(|t| shaped(&t.name, &t.shape)), verbose);
    list(out, "wrong", tensors.wrong.iter().map(|t| t.why.clone()), verbose);
    list(out, "unexpected", tensors.unexpected.iter().map(|t| shaped(&t.name, &t.shape)), verbose);
    if verbose {
        let ignored = tensors.ignored.iter().map(|t| format!("{} ({})", shaped(&t.name, &t.shape), t.why));
        return list(out, "ignored", ignored, verbose);
    }
    let mut by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for tensor in &tensors.ignored {
        by.entry(tensor.why).or_default().push(&tensor.name);
    }
    let ignored = by.iter().map(|(why, names)| match names.as_slice() {
        [one] => format!("{one}: {why}"),
        [first, ..] => format!("{first} and {} more: {why}", names.len() - 1),
        [] => String::new(),
    });
    list(out, "ignored", ignored, verbose);
}

fn list(out: &mut String, name: &str, all: impl ExactSizeIterator<Item = String>, verbose: bool) {
    let n = all.len();
    let shown = if verbose { n } else { SHOWN };
    for (place, item) in all.take(shown).enumerate() {
        line(out, if place == 0 { name } else { "" }, &item);
    }
    if n > shown {
        line(out, "", &format!("… and {} more (--verbose shows all)", n - shown));
    }
}

fn line(out: &mut String, name: &str, text: &str) {
    put(out, format_args!("  {name:<14}{text}\n"));
}

fn facts(facts: &Facts) -> String {
    let each = facts.0.iter().filter(|(_, value)| !value.is_null());
    each.map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>().join(", ")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.as_u64().map_or_else(|| number.to_string(), grouped),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join("/"),
        other => other.to_string(),
    }
}

/// A count with a comma before each three digits; short ones as they are.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    if digits.len() < 7 {
        return digits;
    }
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes in the unit that suits them.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// Writing to a text cannot fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            (grouped(50267), grouped(6_658_453_504)),
            ("50267".to_owned(), "6,658,453,504".to_owned())
        );
        assert_eq!((size(999), size(13_316_908_032)), ("999 B".to_owned(), "13.32 GB".to_owned()));
    }
}

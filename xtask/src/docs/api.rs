//! The API reference: one page for each package of `proto/`, from its compiled descriptors and their comments.

mod comments;

use std::{fmt::Write, fs, path::Path};

use anyhow::{Context, Result};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

use self::comments::Comments;
use super::Page;

/// The order of the pages, and who serves each.
const PACKAGES: [(&str, &str); 4] = [
    ("dialogue", "the gateway"),
    ("vision", "the vision service"),
    ("language", "the language service"),
    ("retrieval", "the retrieval service"),
];

// Numbers of descriptor.proto's fields, which paths of comments consist of.
const SYNTAX: i32 = 12;
const MESSAGES: i32 = 4;
const ENUMS: i32 = 5;
const SERVICES: i32 = 6;
const MEMBERS: i32 = 2; // fields of a message, values of an enum, methods of a service
const NESTED_MESSAGES: i32 = 3;
const NESTED_ENUMS: i32 = 4;

/// All pages of the API.
pub(super) fn pages(root: &Path) -> Result<Vec<Page>> {
    let proto = root.join("proto");
    let mut names = Vec::new();
    for (package, _) in PACKAGES {
        let folder = proto.join(package).join("v1");
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".proto") {
                names.push(format!("{package}/v1/{name}"));
            }
        }
    }
    names.sort();
    let set = protox::compile(&names, [&proto])?;
    let page = |&(package, server): &(&str, &str)| {
        let full = format!("fondue.{package}.v1");
        let files: Vec<_> = set.file.iter().filter(|file| file.package() == full).collect();
        Page { name: format!("reference/api/{package}.md"), text: text(package, server, &files) }
    };
    Ok(PACKAGES.iter().map(page).collect())
}

fn text(package: &str, server: &str, files: &[&FileDescriptorProto]) -> String {
    let mut out = format!("# fondue.{package}.v1\n\nServed by {server}.\n\n");
    let documented: Vec<_> = files.iter().map(|file| (*file, Comments::of(file))).collect();
    for (file, comments) in &documented {
        let _ = writeln!(out, "`proto/{}`: {}\n", file.name(), comments.at(&[SYNTAX]));
    }
    let mut writer = Writer { out, package };
    writer.out += "## Services\n\n";
    for (file, comments) in &documented {
        for (index, service) in (0..).zip(&file.service) {
            writer.service(service, comments, &[SERVICES, index]);
        }
    }
    writer.out += "## Messages\n\n";
    for (file, comments) in &documented {
        for (index, message) in (0..).zip(&file.message_type) {
            writer.message(message, "", comments, &[MESSAGES, index]);
        }
    }
    if files.iter().any(|file| !file.enum_type.is_empty()) {
        writer.out += "## Enums\n\n";
    }
    for (file, comments) in &documented {
        for (index, of) in (0..).zip(&file.enum_type) {
            writer.enumeration(of, "", comments, &[ENUMS, index]);
        }
    }
    writer.out.trim_end().to_owned() + "\n"
}

struct Writer<'a> {
    out: String,
    package: &'a str,
}

impl Writer<'_> {
    fn service(&mut self, service: &ServiceDescriptorProto, comments: &Comments, path: &[i32]) {
        let name = service.name();
        let _ = writeln!(self.out, "### {name}\n\n{}\n", comments.at(path));
        for (index, method) in (0..).zip(&service.method) {
            let stream = |streams: bool| if streams { "a stream of " } else { "" };
            let _ = writeln!(
                self.out,
                "#### {name}.{}\n\nTakes {}{}, gives {}{}.\n\n{}\n",
                method.name(),
                stream(method.client_streaming()),
                self.link(method.input_type()),
                stream(method.server_streaming()),
                self.link(method.output_type()),
                comments.at(&[path, &[MEMBERS, index]].concat()),
            );
        }
    }

    fn message(&mut self, message: &DescriptorProto, outer: &str, comments: &Comments, path: &[i32]) {
        let name = format!("{outer}{}", message.name());
        let _ = writeln!(self.out, "### {name}\n");
        let about = comments.at(path);
        if !about.is_empty() {
            let _ = writeln!(self.out, "{about}\n");
        }
        if message.field.is_empty() {
            self.out += "It has no fields.\n\n";
        } else {
            self.out += "| field | type | meaning |\n|---|---|---|\n";
            for (index, field) in (0..).zip(&message.field) {
                let about = comments.at(&[path, &[MEMBERS, index]].concat());
                let row = self.field(field, message, &about);
                let _ = writeln!(self.out, "{row}");
            }
            self.out += "\n";
        }
        let inner = format!("{name}.");
        for (index, nested) in (0..).zip(&message.nested_type) {
            if !is_map(nested) {
                self.message(nested, &inner, comments, &[path, &[NESTED_MESSAGES, index]].concat());
            }
        }
        for (index, nested) in (0..).zip(&message.enum_type) {
            self.enumeration(nested, &inner, comments, &[path, &[NESTED_ENUMS, index]].concat());
        }
    }

    fn field(&self, field: &FieldDescriptorProto, message: &DescriptorProto, about: &str) -> String {
        let map = message
            .nested_type
            .iter()
            .find(|nested| is_map(nested) && field.type_name().rsplit('.').next() == nested.name.as_deref());
        let kind = match map {
            Some(entry) => {
                let of =
                    |index: usize| entry.field.get(index).map(|field| self.kind(field)).unwrap_or_default();
                format!("map of {} to {}", of(0), of(1))
            }
            None if field.label() == Label::Repeated => format!("repeated {}", self.kind(field)),
            None if field.proto3_optional() => format!("optional {}", self.kind(field)),
            None => self.kind(field),
        };
        let group = field.oneof_index.filter(|_| !field.proto3_optional());
        let group = group.and_then(|index| message.oneof_decl.get(usize::try_from(index).ok()?));
        let group = group.map(|group| format!(" (one of `{}`)", group.name())).unwrap_or_default();
        // A row is a line.
        let about = about.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
        format!("| `{}` = {} | {kind}{group} | {about} |", field.name(), field.number())
    }

    fn kind(&self, field: &FieldDescriptorProto) -> String {
        match field.r#type() {
            Type::Message | Type::Enum | Type::Group => self.link(field.type_name()),
            plain => plain.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
        }
    }

    fn enumeration(&mut self, of: &EnumDescriptorProto, outer: &str, comments: &Comments, path: &[i32]) {
        let _ = writeln!(self.out, "### {outer}{}\n\n{}\n", of.name(), comments.at(path));
        for (index, value) in (0..).zip(&of.value) {
            let about = comments.at(&[path, &[MEMBERS, index]].concat());
            // What follows its first line belongs to the same item of the list.
            let about = about.replace('\n', "\n  ");
            let colon = if about.is_empty() { "" } else { ": " };
            let _ = writeln!(self.out, "- `{}` = {}{colon}{about}", value.name(), value.number());
        }
        self.out += "\n";
    }

    /// A type's name, as a link to where it is told.
    fn link(&self, full: &str) -> String {
        let full = full.trim_start_matches('.');
        let Some((package, name)) = full.strip_prefix("fondue.").and_then(|rest| rest.split_once(".v1."))
        else {
            return format!("`{full}`");
        };
        let page = if package == self.package { String::new() } else { format!("{package}.md") };
        format!("[{name}]({page}#{})", name.to_lowercase().replace('.', ""))
    }
}

fn is_map(message: &DescriptorProto) -> bool {
    message.options.as_ref().is_some_and(|options| options.map_entry())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_of_a_package_is_told_with_its_comments() {
        let folder = tempfile::tempdir().unwrap();
        for (package, _) in PACKAGES {
            let v1 = folder.path().join("proto").join(package).join("v1");
            fs::create_dir_all(&v1).unwrap();
            let text =
                format!("syntax = \"proto3\";\npackage fondue.{package}.v1;\nmessage Of{package} {{}}\n");
            fs::write(v1.join("a.proto"), text).unwrap();
        }
        let text = "// The file.\nsyntax = \"proto3\";\npackage fondue.vision.v1;\nimport \"language/v1/a.proto\";\n\
                    // Sees.\nservice Eye {\n  // Looks.\n  rpc Look(stream Asked) returns (fondue.language.v1.Oflanguage);\n}\n\
                    // What is asked.\nmessage Asked {\n  // How many | so many.\n  optional int32 n = 1;\n  oneof kind {\n    Why why = 2;\n  }\n\
                    map<string, Why> all = 3;\n  // A reason.\n  enum Why {\n    // For\n    // - this.\n    WHY_NONE = 0;\n  }\n}\n";
        fs::write(folder.path().join("proto/vision/v1/a.proto"), text).unwrap();
        let pages = pages(folder.path()).unwrap();
        let page = &pages.iter().find(|page| page.name.ends_with("vision.md")).unwrap().text;
        for expected in [
            "`proto/vision/v1/a.proto`: The file.",
            "### Eye\n\nSees.",
            "#### Eye.Look\n\nTakes a stream of [Asked](#asked), gives [Oflanguage](language.md#oflanguage).\n\nLooks.",
            "### Asked\n\nWhat is asked.",
            "| `n` = 1 | optional int32 | How many \\| so many. |",
            "| `why` = 2 | [Asked.Why](#askedwhy) (one of `kind`) |  |",
            "| `all` = 3 | map of string to [Asked.Why](#askedwhy) |  |",
            "### Asked.Why\n\nA reason.\n\n- `WHY_NONE` = 0: For\n  - this.",
        ] {
            assert!(page.contains(expected), "{expected}\nis not in\n{page}");
        }
    }
}

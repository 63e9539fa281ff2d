//! The packages by name, version, checksum and licence.

use serde::Serialize;

/// Where a package comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A package of npm.
    Npm,
    /// A binary package of Debian.
    Debian,
    /// A crate that this program is built with.
    Crate,
}

/// One package.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) kind: Kind,
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// SHA-256 of the archive, in hexadecimal; of a crate, Cargo.lock has it.
    pub(crate) sha256: &'static str,
    /// As SPDX writes it.
    pub(crate) licence: &'static str,
    /// The style that its drawings make; empty for words.
    pub(crate) style: &'static str,
}

const fn npm(
    style: &'static str,
    name: &'static str,
    version: &'static str,
    licence: &'static str,
    sha256: &'static str,
) -> Package {
    Package { kind: Kind::Npm, name, version, sha256, licence, style }
}

/// Sets of drawings that come from npm.
pub(crate) const ICONS: [Package; 5] = [
    npm(
        "noto",
        "@iconify-json/noto",
        "1.2.9",
        "Apache-2.0",
        "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
    ),
    npm(
        "fluent",
        "@iconify-json/fluent-emoji-flat",
        "1.2.6",
        "MIT",
        "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
    ),
    npm(
        "emojione",
        "@iconify-json/emojione",
        "1.2.3",
        "CC-BY-4.0",
        "26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e",
    ),
    npm(
        "noto-v1",
        "@iconify-json/noto-v1",
        "1.2.5",
        "Apache-2.0",
        "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37",
    ),
    npm(
        "fluent-color",
        "@iconify-json/fluent-emoji",
        "1.2.7",
        "MIT",
        "8044210dbf11e016d4de85f15d01a243423bd832457e7e2491df1b751c0e272b",
    ),
];

/// Names, groups and keywords.
pub(crate) const EMOJIBASE: Package = npm(
    "",
    "emojibase-data",
    "17.0.0",
    "MIT",
    "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
);

/// Glosses.
pub(crate) const WORDNET: Package = Package {
    kind: Kind::Debian,
    name: "wordnet-base",
    version: "1:3.0-37",
    sha256: "61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752",
    licence: "WordNet-3.0",
    style: "",
};

/// Drawings that this program carries.
pub(crate) const TWEMOJI: Package = Package {
    kind: Kind::Crate,
    name: "twemoji-assets",
    version: "1.5.1",
    sha256: "",
    licence: "CC-BY-4.0",
    style: "twemoji",
};

/// Names that this program carries.
pub(crate) const EMOJIS: Package = Package {
    kind: Kind::Crate,
    name: "emojis",
    version: "0.9.1",
    sha256: "",
    licence: "MIT OR Apache-2.0",
    style: "",
};

/// All of them.
pub(crate) const PACKAGES: [&Package; 9] =
    [&ICONS[0], &TWEMOJI, &ICONS[1], &ICONS[2], &ICONS[3], &ICONS[4], &EMOJIS, &EMOJIBASE, &WORDNET];

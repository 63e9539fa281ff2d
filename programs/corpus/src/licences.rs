//! `LICENSES.txt`: whom the corpus is owed to.

use crate::sources::PACKAGES;

const DRAWINGS: &str = "\
The pictures in this folder were drawn from the SVG of these sets, as PNG files on a white ground; those below
pictures/*/variants in other colours.

noto, noto-v1: Noto Emoji. Copyright Google Inc. Licensed under the Apache License 2.0:
  https://www.apache.org/licenses/LICENSE-2.0. Source: https://github.com/googlefonts/noto-emoji
twemoji: Twemoji. Copyright 2019 Twitter, Inc and other contributors. Licensed under Creative Commons
  Attribution 4.0 International: https://creativecommons.org/licenses/by/4.0/. Source: https://github.com/jdecked/twemoji
fluent, fluent-color: Fluent UI Emoji. Copyright (c) Microsoft Corporation. MIT licence, as below.
  Source: https://github.com/microsoft/fluentui-emoji
emojione: Emoji One (Colored), version 2. Copyright EmojiOne. Licensed under Creative Commons Attribution 4.0
  International: https://creativecommons.org/licenses/by/4.0/. Source: https://github.com/EmojiTwo/emojitwo

Names, groups and keywords are those of the Unicode Common Locale Data Repository (Unicode License v3,
https://www.unicode.org/license.txt), as carried by emojis and by emojibase-data, Copyright (c) 2017-2019,
Miles Johnson, MIT licence, as below.

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the \"Software\"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions: The above copyright notice and this permission notice
shall be included in all copies or substantial portions of the Software. THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY
OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR
PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR
THE USE OR OTHER DEALINGS IN THE SOFTWARE.
";

const GLOSSES: &str = "\
The glosses in text/ are WordNet's, and so are the meanings that dialogues tell. They come with this text:
";

/// The file, with the licence text that WordNet's package holds.
pub(crate) fn text(wordnet: &str) -> String {
    let mut text = String::from("Packages:\n");
    for package in PACKAGES {
        text.push_str(&format!("  {} {}: {}\n", package.name, package.version, package.licence));
    }
    format!("{text}\n{DRAWINGS}\n{GLOSSES}\n{wordnet}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_style_is_owed_to_somebody() {
        let text = text("WordNet 3.0 Copyright 2006 by Princeton University.");
        for package in PACKAGES {
            assert!(text.contains(package.name) && DRAWINGS.contains(package.style), "{}", package.name);
        }
        assert!(text.contains("Princeton"));
    }
}

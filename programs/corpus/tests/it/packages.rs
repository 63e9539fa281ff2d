//! Packages as they lie in the cache once they are fetched, with simple drawings of many emoji.

use std::{fmt::Write, fs, path::Path};

use serde_json::{Map, Value, json};

/// Folders of the sets, whether they have a table of code points, and whether they draw all.
const SETS: [(&str, bool, bool); 5] = [
    ("_iconify-json_noto-1.2.9", true, true),
    ("_iconify-json_fluent-emoji-flat-1.2.6", true, true),
    ("_iconify-json_emojione-1.2.3", false, false),
    ("_iconify-json_noto-v1-1.2.5", false, false),
    ("_iconify-json_fluent-emoji-1.2.7", false, true),
];

/// Emoji in their default skin tone, people who walk and who walk the other way among them.
fn emoji(count: usize) -> Vec<&'static emojis::Emoji> {
    emojis::iter().filter(|emoji| emoji.group() != emojis::Group::Flags).take(count).collect()
}

fn points(emoji: &emojis::Emoji) -> String {
    let points: Vec<_> = emoji.as_str().chars().map(|point| format!("{:x}", u32::from(point))).collect();
    points.join("-")
}

/// Writes them all below `cache`.
pub(crate) fn write(cache: &Path, count: usize) {
    let emoji = emoji(count);
    for (number, (folder, chars, all)) in SETS.into_iter().enumerate() {
        set(&cache.join(folder), number, chars, all, &emoji);
    }
    words(&cache.join("emojibase-data-17.0.0"), &emoji);
    wordnet(&cache.join("wordnet-base-1_3.0-37"), &emoji);
}

/// Names for icons that both tables and names lead to: the drawings' code points where there is a table.
fn set(folder: &Path, number: usize, chars: bool, all: bool, emoji: &[&emojis::Emoji]) {
    let (mut icons, mut table) = (Map::new(), Map::new());
    for (place, emoji) in emoji.iter().enumerate() {
        if !all && place % 3 == 0 {
            continue;
        }
        let name = format!("icon-{}", points(emoji).replace("-fe0f", ""));
        let color = (place * 4_001 + number * 1_000_003) % 0x00ff_ffff;
        let body = format!("<path fill=\"#{color:06x}\" d=\"M2 2h28v{}H2z\"/>", 8 + place % 20);
        icons.insert(name.clone(), json!({ "body": body }));
        table.insert(points(emoji), Value::String(name));
    }
    file(&folder.join("icons.json"), &json!({ "width": 32, "height": 32, "icons": icons }).to_string());
    let table = if chars { table } else { Map::new() };
    file(&folder.join("chars.json"), &Value::Object(table).to_string());
}

fn words(folder: &Path, emoji: &[&emojis::Emoji]) {
    let rows: Vec<_> = emoji
        .iter()
        .map(|emoji| {
            let subgroup = emoji.group() as u32;
            let tags = ["red", "small", "common", emoji.name()];
            json!({ "label": emoji.name(), "hexcode": points(emoji).to_uppercase(), "tags": tags, "subgroup": subgroup })
        })
        .collect();
    let names = ["food-fruit", "tool", "person", "drink", "animal-bird", "clothing", "book-paper", "sport"];
    let names: Map<_, _> =
        (0..10).map(|number| (number.to_string(), json!(names[number % names.len()]))).collect();
    file(&folder.join("en/data.json"), &json!(rows).to_string());
    file(&folder.join("meta/groups.json"), &json!({ "subgroups": names }).to_string());
}

/// Nouns as WordNet writes them: invented ones, and the emoji's own names, so that held-out ones come up. The other files have
/// one word each.
fn wordnet(folder: &Path, emoji: &[&emojis::Emoji]) {
    let mut nouns = String::from("  1 This software and database is being provided to you\n");
    for number in 0..400 {
        let word: String =
            format!("{number:03}").chars().map(|digit| char::from(b'a' + digit as u8 - b'0')).collect();
        let _ = writeln!(
            nouns,
            "{number:08} 06 n 01 {word}ing_tool 0 000 | a small tool of the common kind; \"use it\"  "
        );
    }
    for emoji in emoji {
        let name = emoji.name().replace(' ', "_");
        let _ = writeln!(nouns, "00001000 06 n 01 {name} 0 000 | a small thing of the common kind  ");
    }
    let dictionary = folder.join("usr/share/wordnet");
    file(&dictionary.join("data.noun"), &nouns);
    for (part, mark) in [("verb", 'v'), ("adj", 'a'), ("adv", 'r')] {
        let line = format!("00000001 29 {mark} 01 go{mark} 0 000 | to move about in the world; \"go\"  \n");
        file(&dictionary.join(format!("data.{part}")), &line);
    }
    file(
        &folder.join("usr/share/doc/wordnet-base/copyright"),
        "WordNet 3.0 Copyright 2006 by Princeton University.",
    );
}

fn file(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

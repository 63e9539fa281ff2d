//! The things: emoji in their default skin tone that every counted style draws.

use std::collections::BTreeMap;

use fondue_drawings::{Drawing, gallery};

use crate::sources::{Icons, Sources, plain};

/// The styles that count: they are held out from and measured. The further ones only help training.
pub(crate) const COUNTED: [&str; 3] = ["noto", "twemoji", "fluent"];

/// One thing, its names and its drawings.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    /// Code points in lower hexadecimal, joined by `-`.
    pub(crate) id: String,
    /// Unicode's short name in lower case, for example `red apple`.
    pub(crate) name: String,
    /// Unicode's group, for example `Food & Drink`.
    pub(crate) group: &'static str,
    /// Unicode's subgroup, for example `food-fruit`.
    pub(crate) subgroup: String,
    /// Keywords, in lower case, without the name.
    pub(crate) keywords: Vec<String>,
    /// SVG by style.
    pub(crate) drawings: BTreeMap<&'static str, String>,
}

/// The things in Unicode's order, each with all the styles that draw it.
pub(crate) fn things(sources: &Sources) -> Vec<Thing> {
    gallery(false).iter().filter_map(|drawing| thing(drawing, sources)).collect()
}

fn thing(drawing: &Drawing, sources: &Sources) -> Option<Thing> {
    let id = drawing.id();
    let entry = sources.emojibase.get(&id)?;
    let mut drawings = BTreeMap::from([("twemoji", drawing.svg.to_owned())]);
    let names = names(&id, &entry.label, &sources.icons);
    for icons in &sources.icons {
        if let Some(svg) = names.iter().find_map(|name| icons.svg(name)) {
            drawings.insert(icons.style, svg);
        }
    }
    let name = drawing.name.to_lowercase();
    let keywords = entry.keywords.iter().map(|word| word.to_lowercase()).filter(|word| *word != name);
    let thing = Thing {
        keywords: keywords.collect(),
        name,
        group: drawing.group,
        subgroup: entry.subgroup.clone(),
        drawings,
        id,
    };
    COUNTED.iter().all(|style| thing.drawings.contains_key(style)).then_some(thing)
}

/// What the sets may call it: as those sets do that have a table of code points, then Unicode's name.
fn names(id: &str, label: &str, icons: &[Icons]) -> Vec<String> {
    let known = icons.iter().filter_map(|icons| {
        let bare = plain(id);
        icons.named(id).or_else(|| icons.named(&bare)).map(str::to_owned)
    });
    let mut names: Vec<_> = known.collect();
    names.push(kebab(label));
    names
}

/// `Man’s shoe` as `mans-shoe`.
fn kebab(label: &str) -> String {
    let spelled = label.to_lowercase().replace('&', "and").replace(['’', '\''], "");
    let words = spelled.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_the_sets_write_them() {
        assert_eq!(kebab("man’s shoe"), "mans-shoe");
        assert_eq!(kebab("Japanese dolls"), "japanese-dolls");
        assert_eq!(kebab("kiss: woman, man"), "kiss-woman-man");
    }
}

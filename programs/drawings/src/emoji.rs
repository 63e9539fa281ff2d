//! Which emoji make the gallery, and what they are called.

use emojis::{Emoji, Group};
use twemoji_assets::svg::SvgTwemojiAsset;

/// One emoji that has a drawing.
#[derive(Clone, Copy, Debug)]
pub struct Drawing {
    /// The emoji itself.
    pub emoji: &'static str,
    /// Unicode's short name, for example `red apple`: the caption.
    pub name: &'static str,
    /// Unicode's group, for example `Food & Drink`.
    pub group: &'static str,
    /// The drawing as SVG text.
    pub svg: &'static str,
}

impl Drawing {
    /// The id: code points in lower-case hexadecimal, joined by hyphens.
    pub fn id(&self) -> String {
        id(self.emoji)
    }

    /// Name of the picture's file: `<id>.png`.
    pub fn file_name(&self) -> String {
        format!("{}.png", self.id())
    }
}

/// Every emoji in its default skin tone that Twemoji draws, in Unicode's order; flags only if asked for.
pub fn gallery(flags: bool) -> Vec<Drawing> {
    // `emojis::iter` passes over the other skin tones: their captions would differ in the tone alone.
    let wanted = emojis::iter().filter(|emoji| flags || emoji.group() != Group::Flags);
    wanted.filter_map(drawing).collect()
}

fn drawing(emoji: &'static Emoji) -> Option<Drawing> {
    let svg = asset(emoji.as_str())?;
    Some(Drawing { emoji: emoji.as_str(), name: emoji.name(), group: group(emoji.group()), svg })
}

/// Twemoji leaves the variation selector out of the names of most emoji that are a single character.
fn asset(emoji: &str) -> Option<&'static str> {
    let plain = || SvgTwemojiAsset::from_emoji(&emoji.replace('\u{fe0f}', ""));
    SvgTwemojiAsset::from_emoji(emoji).or_else(plain).map(|asset| **asset)
}

fn id(emoji: &str) -> String {
    let points: Vec<_> = emoji.chars().map(|point| format!("{:x}", u32::from(point))).collect();
    points.join("-")
}

fn group(group: Group) -> &'static str {
    match group {
        Group::SmileysAndEmotion => "Smileys & Emotion",
        Group::PeopleAndBody => "People & Body",
        Group::AnimalsAndNature => "Animals & Nature",
        Group::FoodAndDrink => "Food & Drink",
        Group::TravelAndPlaces => "Travel & Places",
        Group::Activities => "Activities",
        Group::Objects => "Objects",
        Group::Symbols => "Symbols",
        Group::Flags => "Flags",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_code_points() {
        assert_eq!(id("🍎"), "1f34e");
        assert_eq!(id("❤\u{fe0f}"), "2764-fe0f");
        assert_eq!(id("1\u{fe0f}\u{20e3}"), "31-fe0f-20e3");
    }

    #[test]
    fn the_gallery_holds_each_thing_once() {
        let drawings = gallery(false);
        assert!(drawings.len() > 1_600, "{}", drawings.len());
        let ids: HashSet<_> = drawings.iter().map(Drawing::id).collect();
        let names: HashSet<_> = drawings.iter().map(|drawing| drawing.name).collect();
        assert_eq!((ids.len(), names.len()), (drawings.len(), drawings.len()));
        assert!(drawings.iter().all(|drawing| !drawing.name.contains(['\t', '\n'])));
        assert!(
            drawings.iter().all(|drawing| drawing.group != "Flags" && !drawing.name.contains("skin tone"))
        );
        assert!(gallery(true).len() > drawings.len() + 250);
    }

    #[test]
    fn finds_drawings_whose_asset_has_no_variation_selector() {
        let heart = gallery(false).into_iter().find(|drawing| drawing.name == "red heart").unwrap();
        assert_eq!(heart.file_name(), "2764-fe0f.png");
        assert!(heart.svg.contains("<svg"));
    }
}

//! A transcript as Markdown: what was said and answered, with pictures where they belong.

use anyhow::Result;
use fondue_proto::dialogue::{FoundImage, part};

use super::{Turn, files::Pictures};
use crate::{
    picture::{self, ending, file_stem},
    terminal::{visible, visible_line},
};

/// Letters that Markdown could take for its own.
const SPECIAL: &str = "\\`*_[]<>#|~";

/// The whole file; its pictures are saved on the way.
pub(super) fn write(turns: &[&Turn], pictures: &Pictures) -> Result<String> {
    let mut text = "# A conversation with Fondue\n".to_owned();
    for (number, turn) in (1..).zip(turns) {
        text.push_str(&format!("\n## Turn {number}\n\n**You:**\n"));
        for part in &turn.said {
            match &part.kind {
                None => {}
                Some(part::Kind::Text(said)) => text.push_str(&format!("\n{}\n", escaped(&visible(said)))),
                Some(part::Kind::Image(image)) => {
                    let place = if image.data.is_empty() {
                        image.url.clone()
                    } else {
                        let stem = format!("said-{number}");
                        pictures.save(&stem, picture::ending_of(&image.data), &image.data)?
                    };
                    text.push_str(&format!("\n![a picture](<{}>)\n", target(&place)));
                }
            }
        }
        text.push_str("\n**Fondue:**\n");
        if let Some(cut) = turn.started.history_cut {
            text.push_str(&format!("\n*(without the oldest turns: {})*\n", cut.turns_left_out));
        }
        answer(turn, pictures, &mut text)?;
    }
    Ok(text)
}

/// The answer's text, cut where pictures belong.
fn answer(turn: &Turn, pictures: &Pictures, text: &mut String) -> Result<()> {
    let letters: Vec<char> = turn.done.text.chars().collect();
    let mut images: Vec<_> = turn.images.iter().collect();
    images.sort_by_key(|image| (image.text_offset, image.ret_index, image.rank));
    let mut told = 0;
    for image in images {
        let offset = (image.text_offset as usize).clamp(told, letters.len());
        tell(letters.get(told..offset).unwrap_or_default(), text);
        told = offset;
        text.push_str(&found(image, pictures)?);
    }
    tell(letters.get(told..).unwrap_or_default(), text);
    for missing in &turn.unavailable {
        text.push_str(&format!("\n*No picture: {}*\n", escaped(&visible_line(&missing.message))));
    }
    Ok(())
}

fn tell(letters: &[char], text: &mut String) {
    let piece: String = letters.iter().collect();
    if !piece.trim().is_empty() {
        text.push_str(&format!("\n{}\n", escaped(visible(&piece).trim())));
    }
}

fn found(image: &FoundImage, pictures: &Pictures) -> Result<String> {
    let caption = picture::name(image);
    let caption = escaped(&visible_line(&caption.replace('\n', " ")));
    let place = if image.data.is_empty() {
        image.url.clone()
    } else {
        pictures.save(&file_stem(&image.id), ending(&image.media_type), &image.data)?
    };
    Ok(format!("\n![{caption}](<{}>)\n\n*{caption}* (similarity {:.2})\n", target(&place), image.score))
}

/// A link's target between angle brackets.
fn target(place: &str) -> String {
    visible_line(place).replace('\\', "%5C").replace('<', "%3C").replace('>', "%3E")
}

fn escaped(text: &str) -> String {
    let letter = |c: char| if SPECIAL.contains(c) { vec!['\\', c] } else { vec![c] };
    text.chars().flat_map(letter).collect()
}

//! A transcript as JSON lines: a head `{"fondue_transcript":1}`, then one object a turn, oldest first.
//!
//! A turn: `turn` (its number in the file), `said` (objects with `text`, `picture` (a path from the file's folder on) or
//! `url`, pictures with `fit` if one was asked for), `text` and `transcript` (with `[RET]`), `pictures` (`id`, `generation`,
//! `index`, `score`, `caption`, `media_type`, `text_offset` in code points, `ret_index`, `rank`, and `picture` or `url`),
//! `unavailable`, `history_cut`, `finish_reason`, `usage`, `timings` (these as in protobuf's JSON form), `turn_id`,
//! `trace_id`. What is empty is left out.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use fondue_proto::dialogue::{
    FinishReason, FoundImage, HistoryCut, Image, ImageFit, ImageUnavailable, Part, Timings, TurnDone,
    TurnStarted, Usage, part,
};
use serde::{Deserialize, Serialize};

use super::{
    Turn,
    files::{self, Pictures},
};
use crate::picture::{self, ending, file_stem};

const VERSION: u32 = 1;

#[derive(Deserialize, Serialize)]
struct Head {
    fondue_transcript: u32,
}

#[derive(Deserialize, Serialize)]
struct Line {
    turn: usize,
    said: Vec<Said>,
    text: String,
    transcript: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pictures: Vec<Picture>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unavailable: Vec<ImageUnavailable>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    history_cut: Option<HistoryCut>,
    #[serde(default)]
    finish_reason: FinishReason,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timings: Option<Timings>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    turn_id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    trace_id: String,
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Said {
    Text {
        text: String,
    },
    Picture {
        picture: String,
        #[serde(default, skip_serializing_if = "is_usual")]
        fit: ImageFit,
    },
    Url {
        url: String,
        #[serde(default, skip_serializing_if = "is_usual")]
        fit: ImageFit,
    },
}

#[derive(Deserialize, Serialize)]
struct Picture {
    id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    generation: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    index: String,
    score: f32,
    caption: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    media_type: String,
    text_offset: u32,
    ret_index: u32,
    rank: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    picture: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    url: String,
}

fn is_usual(fit: &ImageFit) -> bool {
    *fit == ImageFit::Unspecified
}

/// The whole file; its pictures are saved on the way.
pub(super) fn write(turns: &[&Turn], pictures: &Pictures) -> Result<String> {
    let mut text = serde_json::to_string(&Head { fondue_transcript: VERSION })? + "\n";
    for (number, turn) in (1..).zip(turns) {
        let line = Line {
            turn: number,
            said: turn
                .said
                .iter()
                .filter_map(|part| said(part, number, pictures).transpose())
                .collect::<Result<_>>()?,
            text: turn.done.text.clone(),
            transcript: turn.done.transcript.clone(),
            pictures: turn.images.iter().map(|image| found(image, pictures)).collect::<Result<_>>()?,
            unavailable: turn.unavailable.clone(),
            history_cut: turn.started.history_cut,
            finish_reason: turn.done.reason(),
            usage: turn.done.usage,
            timings: turn.done.timings.clone(),
            turn_id: turn.started.turn_id.clone(),
            trace_id: turn.started.trace_id.clone(),
        };
        text.push_str(&serde_json::to_string(&line)?);
        text.push('\n');
    }
    Ok(text)
}

fn said(part: &Part, number: usize, pictures: &Pictures) -> Result<Option<Said>> {
    Ok(match &part.kind {
        None => None,
        Some(part::Kind::Text(text)) => Some(Said::Text { text: text.clone() }),
        Some(part::Kind::Image(image)) if image.data.is_empty() => {
            Some(Said::Url { url: image.url.clone(), fit: image.fit() })
        }
        Some(part::Kind::Image(image)) => {
            let picture =
                pictures.save(&format!("said-{number}"), picture::ending_of(&image.data), &image.data)?;
            Some(Said::Picture { picture, fit: image.fit() })
        }
    })
}

fn found(image: &FoundImage, pictures: &Pictures) -> Result<Picture> {
    let picture = match image.data.is_empty() {
        true => None,
        false => Some(pictures.save(&file_stem(&image.id), ending(&image.media_type), &image.data)?),
    };
    Ok(Picture {
        id: image.id.clone(),
        generation: image.generation.clone(),
        index: image.index.clone(),
        score: image.score,
        caption: image.caption.clone(),
        media_type: image.media_type.clone(),
        text_offset: image.text_offset,
        ret_index: image.ret_index,
        rank: image.rank,
        picture,
        url: image.url.clone(),
    })
}

/// The turns of a file's text; its pictures are read from below `folder`.
pub(super) fn read(text: &str, folder: &Path) -> Result<Vec<Turn>> {
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let head = lines.next().and_then(|(_, line)| serde_json::from_str::<Head>(line).ok());
    let head = head.context("the first line must be {\"fondue_transcript\":1}")?;
    ensure!(head.fondue_transcript == VERSION, "version {} is not known here", head.fondue_transcript);
    let turn = |(number, line): (usize, &str)| {
        let line = serde_json::from_str(line).map_err(anyhow::Error::from);
        line.and_then(|line| turn(line, folder)).with_context(|| format!("line {number}"))
    };
    lines.map(turn).collect()
}

fn turn(line: Line, folder: &Path) -> Result<Turn> {
    let part = |said: Said| {
        let (data, url, fit) = match said {
            Said::Text { text } => return Ok(picture::text(text)),
            Said::Picture { picture, fit } => (files::read(folder, &picture)?, String::new(), fit),
            Said::Url { url, fit } => (Vec::new(), url, fit),
        };
        Ok(Part { kind: Some(part::Kind::Image(Image { data: data.into(), fit: fit.into(), url })) })
    };
    let image = |found: Picture| {
        let data = found.picture.map(|name| files::read(folder, &name)).transpose()?.unwrap_or_default();
        Ok(FoundImage {
            text_offset: found.text_offset,
            ret_index: found.ret_index,
            rank: found.rank,
            id: found.id,
            generation: found.generation,
            score: found.score,
            caption: found.caption,
            media_type: found.media_type,
            data: data.into(),
            url: found.url,
            index: found.index,
        })
    };
    Ok(Turn {
        said: line.said.into_iter().map(part).collect::<Result<_>>()?,
        started: TurnStarted {
            turn_id: line.turn_id,
            trace_id: line.trace_id,
            history_cut: line.history_cut,
        },
        images: line.pictures.into_iter().map(image).collect::<Result<_>>()?,
        unavailable: line.unavailable,
        done: TurnDone {
            reason: line.finish_reason.into(),
            text: line.text,
            transcript: line.transcript,
            usage: line.usage,
            timings: line.timings,
        },
    })
}

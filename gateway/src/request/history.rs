//! Turns that were held before, as the client tells them.

use fondue_domain::Compat;
use fondue_proto::dialogue as wire;

use super::{Faults, MAX_NAME, Part, parts};
use crate::config::Limits;

/// Pictures that one earlier answer can have found: as many as a turn may ask for.
const MAX_FOUND: usize = 32;

/// A turn that was held before.
#[derive(Clone, Debug)]
pub struct Exchange<P = Part> {
    /// What the user said.
    pub parts: Vec<P>,
    /// What the model answered, `[RET]` included.
    pub reply: String,
    /// Ids of the pictures found in it.
    pub image_ids: Vec<String>,
}

/// Checks a history, oldest first. One turn must still fit after it.
pub fn exchanges(
    raw: Vec<wire::Exchange>,
    path: &str,
    compat: Compat,
    limits: &Limits,
    faults: &mut Faults,
) -> Vec<Exchange> {
    if raw.len() >= limits.turns {
        let most = limits.turns.saturating_sub(1);
        faults.add(path, format!("at most {most} turns, got {}; leave out the oldest", raw.len()));
        return Vec::new();
    }
    let kind = |part: &&wire::Part| matches!(part.kind, Some(wire::part::Kind::Image(_)));
    let n_images = raw.iter().flat_map(|exchange| &exchange.parts).filter(kind).count();
    if n_images > limits.images_per_dialogue {
        let most = limits.images_per_dialogue;
        faults.add(path, format!("at most {most} pictures, got {n_images}; leave out the oldest turns"));
        return Vec::new();
    }
    let checked = raw.into_iter().enumerate().map(|(index, exchange)| {
        let path = format!("{path}[{index}]");
        let reply_bytes = exchange.reply.len();
        if reply_bytes > limits.text_bytes {
            faults.add(
                format!("{path}.reply"),
                format!("may hold {} bytes, got {reply_bytes}", limits.text_bytes),
            );
        }
        let n_ids = exchange.image_ids.len();
        if n_ids > MAX_FOUND {
            faults.add(format!("{path}.image_ids"), format!("at most {MAX_FOUND} ids, got {n_ids}"));
        } else {
            names(&exchange.image_ids, &format!("{path}.image_ids"), faults);
        }
        let parts = parts::said(exchange.parts, &format!("{path}.parts"), compat, limits, faults);
        Exchange { parts, reply: exchange.reply, image_ids: exchange.image_ids }
    });
    checked.collect()
}

/// Checks ids: none empty, none absurdly long.
pub fn names(ids: &[String], path: &str, faults: &mut Faults) {
    for (index, id) in ids.iter().enumerate() {
        if !(1..=MAX_NAME).contains(&id.len()) {
            faults.add(format!("{path}[{index}]"), format!("must be 1 … {MAX_NAME} bytes, got {}", id.len()));
        }
    }
}

//! Pictures → vision → features.

pub mod cache;

use std::{collections::HashSet, sync::Arc, time::Duration};

use fondue_domain::{Classify, Compat, Fault};
use fondue_proto::vision::{self, EncodeRequest, EncodeResponse, Image};
use tokio::time::Instant;

use tracing::{Instrument, Span, field};

use super::clock;
use crate::{
    desk::Desk,
    dialogue::Features,
    failure::Failure,
    measures,
    request::{Picture, PictureKey, parts::Origin},
};

/// Bytes of pictures in one call, unless a single one is larger; half the service's default limit.
const CALL_BYTES: usize = 16 << 20;

/// What came of looking.
#[derive(Debug, Default)]
pub struct Seen {
    /// Features of each picture that could be read.
    pub features: Features,
    /// Found pictures that vision could not read: nobody can mend them, so the prompt goes without.
    pub unreadable: HashSet<PictureKey>,
    /// Wall clock of all calls.
    pub took: Duration,
}

/// Encodes `pictures`, each once; those that any dialogue showed lately are known.
///
/// # Errors
/// [`Failure`] that names the field of a picture that cannot be read, or tells that vision is down.
pub async fn see(desk: &Desk, pictures: &[Picture], deadline: Instant) -> Result<Seen, Failure> {
    if pictures.is_empty() {
        return Ok(Seen::default());
    }
    let span = tracing::debug_span!("see", pictures = pictures.len() as i64, known = field::Empty);
    see_some(desk, pictures, deadline).instrument(span).await
}

async fn see_some(desk: &Desk, pictures: &[Picture], deadline: Instant) -> Result<Seen, Failure> {
    let started = Instant::now();
    let mut seen = Seen::default();
    let mut unknown = Vec::new();
    for picture in pictures {
        match desk.features.get(&picture.key) {
            Some(features) => drop(seen.features.insert(picture.key, features)),
            None => unknown.push(picture.clone()),
        }
    }
    let known = pictures.len() - unknown.len();
    measures::features(known, unknown.len());
    Span::current().record("known", known as i64);
    let mut unknown = unknown.as_slice();
    while !unknown.is_empty() {
        let (now, later) = unknown.split_at(call_length(unknown, desk.config.vision_batch));
        encode(desk, now.to_vec(), deadline, &mut seen).await?;
        unknown = later;
    }
    seen.took = started.elapsed();
    Ok(seen)
}

/// Encodes one call's worth; again without the found pictures that vision refuses.
async fn encode(
    desk: &Desk,
    mut pictures: Vec<Picture>,
    deadline: Instant,
    seen: &mut Seen,
) -> Result<(), Failure> {
    while !pictures.is_empty() {
        let images = pictures
            .iter()
            .map(|p| Image {
                data: p.data.clone(),
                fit: p.key.fit.to_wire() as i32,
                compat: match p.key.compat {
                    Compat::Off => vision::Compat::Unspecified,
                    Compat::Reference => vision::Compat::Reference,
                } as i32,
            })
            .collect();
        let request = EncodeRequest { images };
        let call = clock::call(("vision", "Encode"), deadline, request, async |request| {
            desk.vision.clone().encode(request).await
        });
        match call.await {
            Ok(response) => return keep(desk, &pictures, response, seen),
            Err(failure) => match refused_found(&failure, &pictures) {
                Some(index) => {
                    let picture = pictures.remove(index);
                    tracing::warn!(%failure, "a found picture cannot be read; the prompt goes without it");
                    seen.unreadable.insert(picture.key);
                }
                None => return Err(failure.with_paths(|field| path(field, &pictures))),
            },
        }
    }
    Ok(())
}

fn keep(desk: &Desk, pictures: &[Picture], response: EncodeResponse, seen: &mut Seen) -> Result<(), Failure> {
    let (got, expected) = (response.features.len(), pictures.len());
    if got != expected {
        let message = format!("the vision service gave {got} features for {expected} pictures");
        return Err(Failure::new(Fault::Internal, message));
    }
    for (picture, features) in pictures.iter().zip(response.features) {
        let features: Arc<[f32]> = features.values.into();
        desk.features.put(picture.key, features.clone());
        seen.features.insert(picture.key, features);
    }
    Ok(())
}

/// How many of `pictures`, at least one and at most `batch`, go into the next call.
fn call_length(pictures: &[Picture], batch: usize) -> usize {
    let mut bytes = 0;
    let fitting = pictures.iter().take(batch).take_while(|picture| {
        bytes += picture.data.len();
        bytes <= CALL_BYTES
    });
    fitting.count().max(1)
}

/// The first found picture that the failure names.
fn refused_found(failure: &Failure, pictures: &[Picture]) -> Option<usize> {
    let named = failure.violations().into_iter().filter_map(|violation| Some(split(&violation.field)?.0));
    named
        .into_iter()
        .find(|&index| pictures.get(index).is_some_and(|picture| picture.origin == Origin::Found))
}

/// `images[3].data` → 3 and `.data`.
fn split(field: &str) -> Option<(usize, &str)> {
    let (index, rest) = field.strip_prefix("images[")?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}

/// The client's path for a path of the vision service's request; `None` for what no client sets, such as the
/// number of pictures in the call.
fn path(field: &str, pictures: &[Picture]) -> Option<String> {
    let (index, rest) = split(field)?;
    match &pictures.get(index)?.origin {
        Origin::Field(image) if rest.is_empty() => Some(format!("{image}.data")),
        Origin::Url(image) if rest.is_empty() || rest == ".data" => Some(format!("{image}.url")),
        Origin::Field(image) | Origin::Url(image) => Some(format!("{image}{rest}")),
        Origin::Found => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(n_bytes: usize, origin: Origin) -> Picture {
        Picture::new(vec![0; n_bytes].into(), None, Compat::Off, origin)
    }

    #[test]
    fn a_refused_picture_is_named_by_the_clients_path() {
        let field = || "turn.parts[4].image".to_owned();
        let pictures =
            [Origin::Found, Origin::Field(field()), Origin::Url(field())].map(|origin| picture(1, origin));
        let path = |field| path(field, &pictures);
        assert_eq!(path("images[1].data").unwrap(), "turn.parts[4].image.data");
        assert_eq!(path("images[1]").unwrap(), "turn.parts[4].image.data");
        assert_eq!(path("images[1].fit").unwrap(), "turn.parts[4].image.fit");
        assert_eq!(path("images[2].data").unwrap(), "turn.parts[4].image.url");
        assert_eq!(path("images[2].fit").unwrap(), "turn.parts[4].image.fit");
        assert_eq!((path("images[9].data"), path("images")), (None, None));
        assert_eq!(refused_found(&Failure::field("images[1].data", "bad"), &pictures), None);
        assert_eq!(refused_found(&Failure::field("images[0].data", "bad"), &pictures), Some(0));
    }

    #[test]
    fn calls_stay_within_bytes_and_number_but_make_progress() {
        let of = |n_bytes: &[usize]| {
            call_length(&n_bytes.iter().map(|&n| picture(n, Origin::Found)).collect::<Vec<_>>(), 9)
        };
        assert_eq!(of(&[CALL_BYTES + 1, 1]), 1);
        assert_eq!(of(&[CALL_BYTES / 2, CALL_BYTES / 2, 1]), 2);
        assert_eq!(of(&[1; 100]), 9);
    }
}

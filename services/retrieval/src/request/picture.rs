//! Pictures to add, from the wire.

use fondue_domain::Embedding;
use fondue_index::{IndexError, Item, Metadata, NewItem};
use fondue_proto::retrieval::IngestRequest;
use sha2::{Digest, Sha256};

use super::{RequestError, filter, wrong};

/// Checks one picture, the `n`th of its stream, but for its vector's length.
pub(crate) fn check(asked: IngestRequest, n: u64) -> Result<(NewItem, Embedding), RequestError> {
    let path = |field: &str| format!("requests[{n}].{field}");
    let Some(picture) = asked.picture else { return wrong(path("picture"), "is missing") };
    if picture.id.is_empty() {
        return wrong(path("picture.id"), "is empty");
    }
    let embedding = match Embedding::normalized(asked.embedding) {
        Ok(embedding) => embedding,
        Err(error) => return wrong(path("embedding"), error.to_string()),
    };
    let sha256 = match (asked.sha256.len(), picture.data.is_empty()) {
        (0 | 32, false) => Sha256::digest(&picture.data).into(),
        (0, true) if !picture.url.is_empty() => Sha256::digest(picture.url.as_bytes()).into(),
        // Nothing is known of the file; the id is as good as any other name, and no file has its digest.
        (0, true) => Sha256::digest(picture.id.as_bytes()).into(),
        (32, true) => <[u8; 32]>::try_from(asked.sha256.as_ref()).unwrap_or_default(),
        (length, _) => return wrong(path("sha256"), format!("{length} bytes, expected 32 or none")),
    };
    if !picture.data.is_empty() && asked.sha256.len() == 32 && asked.sha256[..] != sha256 {
        return wrong(path("sha256"), "is not that of the picture's data");
    }
    let mut metadata = Metadata::new();
    for (name, asked) in picture.metadata {
        let field = || path(&format!("picture.metadata[{name}]"));
        let value = filter::value(asked, field)?;
        match metadata.set(name.clone(), value) {
            Ok(_) => {}
            Err(IndexError::Metadata { reason, .. }) => return wrong(field(), reason),
            Err(error) => return wrong(field(), error.to_string()),
        }
    }
    let item = Item {
        id: picture.id,
        caption: picture.caption,
        group: picture.group,
        media_type: picture.media_type,
        url: picture.url,
        metadata,
    };
    let data = (!picture.data.is_empty()).then(|| picture.data.to_vec());
    Ok((NewItem { item, picture: data, sha256 }, embedding))
}

#[cfg(test)]
mod tests {
    use fondue_index::Value;
    use fondue_proto::retrieval::{self as wire, Picture, value};

    use super::*;

    fn asked() -> IngestRequest {
        let picture = Picture { id: "a".to_owned(), data: "bytes".into(), ..Picture::default() };
        IngestRequest { picture: Some(picture), embedding: vec![3.0, 4.0], ..IngestRequest::default() }
    }

    fn field(change: impl FnOnce(&mut IngestRequest)) -> Option<String> {
        let mut asked = asked();
        change(&mut asked);
        check(asked, 7).err().map(|error| error.field)
    }

    type Change = fn(&mut IngestRequest);

    fn picture(asked: &mut IngestRequest) -> &mut Picture {
        asked.picture.as_mut().unwrap()
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place_in_the_stream() {
        assert_eq!(field(|_| {}), None);
        let wrong: [(&str, Change); 6] = [
            ("requests[7].picture", |asked| asked.picture = None),
            ("requests[7].picture.id", |asked| picture(asked).id.clear()),
            ("requests[7].embedding", |asked| asked.embedding.clear()),
            ("requests[7].sha256", |asked| asked.sha256 = vec![0; 31]),
            ("requests[7].sha256", |asked| asked.sha256 = vec![0; 32]),
            ("requests[7].picture.metadata[year]", |asked| {
                picture(asked).metadata.insert("year".to_owned(), wire::Value::default());
            }),
        ];
        for (path, change) in wrong {
            assert_eq!(field(change).as_deref(), Some(path));
        }
    }

    #[test]
    fn a_picture_has_the_digest_of_its_file_or_of_its_url() {
        let (new, embedding) = check(asked(), 0).unwrap();
        assert_eq!(
            (new.sha256[..].to_vec(), embedding.values()),
            (Sha256::digest("bytes").to_vec(), &[0.6, 0.8][..])
        );
        let mut at_url = asked();
        (picture(&mut at_url).data, picture(&mut at_url).url) = (Vec::new().into(), "http://a/b".to_owned());
        let (new, _) = check(at_url.clone(), 0).unwrap();
        assert_eq!((new.picture, new.sha256[..].to_vec()), (None, Sha256::digest("http://a/b").to_vec()));
        at_url.sha256 = vec![9; 32];
        assert_eq!(check(at_url, 0).unwrap().0.sha256, [9; 32]);
        let mut described = asked();
        let year = wire::Value { value: Some(value::Value::Number(2019.0)) };
        picture(&mut described).metadata.insert("year".to_owned(), year);
        let (new, _) = check(described, 0).unwrap();
        assert_eq!(new.item.metadata.get("year"), Some(&Value::Number(2019.0)));
    }
}

//! Pictures become columns and come back; limits at their bounds.

use milvus::v2::QueryResults;

use super::*;

fn new(id: &str) -> NewItem {
    let mut metadata = Metadata::new();
    metadata.set("year", Value::Number(2019.0)).unwrap();
    metadata.set("who's \"there\"?", Value::Text("x_é😀\n".to_owned())).unwrap();
    metadata.set("x_1", Value::Truth(false)).unwrap();
    let item = Item {
        id: id.to_owned(),
        caption: "a caption".to_owned(),
        group: "things".to_owned(),
        media_type: "image/png".to_owned(),
        url: String::new(),
        metadata,
    };
    NewItem { item, picture: Some(vec![7; PIECE + 1]), sha256: [1; 32] }
}

fn rows(batch: &[(NewItem, Embedding)]) -> QueryResults {
    QueryResults::new().output_fields(columns(batch, true))
}

fn vector() -> Embedding {
    Embedding::normalized(vec![1.0, 0.0]).unwrap()
}

#[test]
fn a_picture_comes_back_as_it_was() {
    let at_url = NewItem { picture: None, item: Item { id: "b".into(), ..Item::default() }, sha256: [2; 32] };
    let answer = rows(&[(new("a"), vector()), (at_url.clone(), vector())]);
    let read: Vec<_> =
        answer.rows().unwrap().map(|row| (picture(&row).unwrap(), file(&row).unwrap())).collect();
    for (((got, bytes), data), expected) in read.iter().zip([new("a"), at_url]) {
        let stored = expected.picture.unwrap_or_default();
        assert_eq!((&got.item, *bytes, data.to_vec()), (&expected.item, stored.len(), stored));
    }
}

#[test]
fn of_pictures_with_one_id_the_last_is_written() {
    let mut second = new("a");
    second.item.caption = "later".to_owned();
    let answer = rows(&[(new("a"), vector()), (new("b"), vector()), (second, vector())]);
    let captions: Vec<_> = answer.rows().unwrap().map(|row| picture(&row).unwrap().0.item.caption).collect();
    assert_eq!(captions, ["later", "a caption"]);
}

#[test]
fn each_limit_is_kept() {
    type Change = fn(&mut NewItem, usize);
    let limits: [(&str, usize, Change); 6] = [
        ("id", MAX_ID, |new, n| new.item.id = "i".repeat(n)),
        ("caption", MAX_TEXT, |new, n| new.item.caption = "c".repeat(n)),
        ("group", MAX_TEXT, |new, n| new.item.group = "g".repeat(n)),
        ("media_type", MAX_TEXT, |new, n| new.item.media_type = "m".repeat(n)),
        ("url", MAX_TEXT, |new, n| new.item.url = "u".repeat(n)),
        ("data", MAX_PICTURE, |new, n| new.picture = Some(vec![0; n])),
    ];
    for (field, max, change) in limits {
        let mut new = new("a");
        change(&mut new, max);
        check(&new).unwrap();
        change(&mut new, max + 1);
        let refused = check(&new).unwrap_err().to_string();
        assert!(refused.contains(&max.to_string()) && refused.contains(field), "{refused}");
    }
    let mut new = new("a");
    for n in 0..20 {
        new.item.metadata.set(format!("f{n}"), Value::Text("x".repeat(4096))).unwrap();
    }
    assert!(matches!(check(&new), Err(StoreError::Index(IndexError::Metadata { .. }))));
}

#[test]
fn what_a_server_sends_is_not_believed() {
    type Change = fn(&mut Vec<FieldData>);
    let changes: [Change; 5] = [
        |columns| columns.retain(|column| column.name() != CAPTION),
        |columns| columns[9] = FieldData::int64(PICTURE_BYTES, vec![-1]),
        |columns| columns[8] = FieldData::array_varchar(PICTURE, vec![vec!["no base64!".to_owned()]]),
        |columns| columns[7] = FieldData::json(METADATA, vec![serde_json::json!({"n_year": "text"})]),
        |columns| columns[7] = FieldData::json(METADATA, vec![serde_json::json!({"é": 1})]),
    ];
    for change in changes {
        let mut columns = columns(&[(new("a"), vector())], false);
        change(&mut columns);
        let answer = QueryResults::new().output_fields(columns);
        let row = answer.rows().unwrap().next().unwrap();
        let read = picture(&row).and_then(|_| file(&row));
        assert!(matches!(read, Err(StoreError::Broken { .. })), "{read:?}");
    }
}

proptest::proptest! {
    #[test]
    fn names_and_keys_go_one_to_one(one in ".{1,20}", other in "x?_?[0-9a-f]{0,4}") {
        for text in [&one, &other] {
            let key = key(text, Kind::Text);
            proptest::prop_assert_eq!(name(&key), Some(text.clone()));
            let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            proptest::prop_assert!(plain);
        }
        proptest::prop_assert_eq!(one == other, key(&one, Kind::Text) == key(&other, Kind::Text));
    }
}

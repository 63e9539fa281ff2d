//! Addresses name their pictures, and answers come back from their Markdown.

use super::*;

fn image(id: &str, ret_index: u32, text_offset: u32) -> FoundImage {
    FoundImage {
        id: id.to_owned(),
        generation: "gen 1".to_owned(),
        media_type: "image/png".to_owned(),
        ret_index,
        text_offset,
        ..FoundImage::default()
    }
}

#[test]
fn an_address_names_its_picture() {
    for id in ["one", "a/b", "Größe (1) #?.png", "100%", "..x"] {
        let mut image = image(id, 0, 0);
        for index in ["", "art & maps"] {
            image.index = index.to_owned();
            let address = address(&image);
            let expected = Stored { index: index.into(), generation: "gen 1".into(), id: id.into() };
            assert_eq!(stored(&address, None).as_ref(), Some(&expected), "{address}");
            let absolute = format!("http://here:1{address}");
            assert_eq!(stored(&absolute, Some(Hosts { asked: Some("Here:1"), public: "" })), Some(expected));
            assert_eq!(
                stored(&absolute, Some(Hosts { asked: Some("there"), public: "https://elsewhere" })),
                None
            );
        }
    }
    for other in ["", "/", "/v1/images/", "/v1/images/a", "/v1/images/a/", "/v1/images/a/b/c", "http://x"] {
        assert_eq!(stored(other, None), None, "{other}");
    }
}

#[test]
fn an_answer_comes_back_from_its_markdown() {
    // Later text, as a slow search would have it; a picture before all text; two of one `[RET]`.
    let hard = FoundImage { caption: "a [b] \\c\n`d` <e>".into(), ..image("x/y", 1, 5) };
    let told = format!(
        "{}Größe{}{}, da{}.",
        markdown(&image("one", 0, 0), ""),
        markdown(&hard, ""),
        markdown(&image("two", 1, 5), "https://f.org:1"),
        markdown(&image("three", 2, 5), ""),
    );
    let (words, ids) = transcript(&told);
    assert_eq!(words, " [RET]Größe [RET] [RET], da.");
    assert_eq!(ids, ["one", "x/y", "two", "three"]);
}

#[test]
fn a_picture_elsewhere_is_known_by_its_id() {
    let away = FoundImage {
        media_type: String::new(),
        url: "https://a.org/p (1).png#top".to_owned(),
        ..image("far away", 0, 3)
    };
    let told = format!("abc{}", markdown(&away, ""));
    assert_eq!(told, "abc\n![](https://a.org/p%20%281%29.png#ret=0&at=3&id=far%20away)\n");
    assert_eq!(transcript(&told), ("abc [RET]".to_owned(), vec!["far away".to_owned()]));
}

#[test]
fn links_without_their_fragment_stand_where_they_are() {
    let told = "a ![x](/v1/images/g/1)![y](/v1/images/g/2) b ![z](http://h/v1/images/g/3)";
    assert_eq!(transcript(told).0, "a  [RET] b  [RET]");
    assert_eq!(transcript(told).1, ["1", "2", "3"]);
}

#[test]
fn other_markdown_is_text() {
    for text in [
        "![x](http://a.org/b.png)",
        "![x",
        "![](",
        "![x](/v1/images/g/1",
        "!",
        "a ![b] c",
        "![x]\n(/v1/images/g/1)",
    ] {
        assert_eq!(transcript(text), (text.to_owned(), Vec::new()));
    }
}

#[test]
fn long_texts_that_look_like_links_are_read_at_once() {
    // In time that grows with the square of the length this would take hours, and the test would be ended.
    for piece in ["![", "![](", "![a](/v1/images/"] {
        let text = piece.repeat((8 << 20) / piece.len());
        assert_eq!(transcript(&text), (text.clone(), vec![]));
    }
}
